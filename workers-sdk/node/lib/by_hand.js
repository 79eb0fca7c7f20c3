'use strict';
// A worker that no daemon started: it says what it is, lists its tasks, or runs one.

const path = require('path');
const { encode } = require('./encode');
const { hooks, tasks } = require('./tasks');

async function byHand(worker) {
  const [command, ...rest] = process.argv.slice(2);
  const program = path.relative('.', process.argv[1]);
  if (command === '--list' && rest.length === 0) {
    console.log([...tasks.keys()].join('\n'));
  } else if (command === '--run' && (rest.length === 1 || rest.length === 2)) {
    await runByHand(worker, ...rest);
  } else {
    const usage = `${program} is a worker: workmand starts it and hands it jobs. In a profile:

  command: [node, ${program}]

By hand:

  node ${program} --list             prints the names of its tasks
  node ${program} --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails`;
    const wrong = command !== undefined && command !== '--help';
    (wrong ? console.error : console.log)(usage);
    process.exitCode = wrong ? 64 : 0;
  }
}

async function runByHand(worker, name, text = 'null') {
  const quit = (sentence) => {
    console.error(sentence);
    process.exitCode = 1;
  };
  if (!tasks.has(name)) return quit(`no task ${encode(name)} here; --list tells which there are`);
  let args;
  try {
    args = JSON.parse(text);
  } catch (error) {
    return quit(`the arguments are not JSON: ${error.message}`);
  }
  for (const hook of hooks.onBoot) await hook();
  const outcome = JSON.parse(await new Promise((resolve) => {
    worker.send = (line, last) => (last ? resolve(line) : console.error(line));
    worker.start({ id: 'ByHand000000', task: name, args });
  }));
  for (const hook of hooks.onExit) await hook();
  if (outcome.type !== 'done') {
    const { error = {} } = outcome;
    return quit(`${outcome.type}: ${error.trace || error.message || outcome.reason}`);
  }
  for (const one of outcome.enqueue || []) console.error(`would enqueue ${encode(one)}`);
  console.log(encode(outcome.result ?? outcome.result_b64 ?? null));
  return undefined;
}

module.exports = { byHand };
