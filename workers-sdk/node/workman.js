'use strict';
// Workers for workmand in Node.js 18 or later:
//
//   const { task, serve } = require('workman');
//   task('resize', { timeout: 30e3 }, async (args, job) => ({ ok: true }));
//   serve();
//
// serve() reads jobs from stdin and writes outcomes to a private copy of stdout. In a worker, this
// module points descriptor 1 at stderr and 0 at /dev/null when it is loaded, so that no print and
// no child can damage the protocol; elsewhere it touches nothing. All times are in milliseconds.

const path = require('path');
const { byHand } = require('./lib/by_hand');
const { note } = require('./lib/descriptors');
const { Abort, Failure, ForceKilled, Permanent, Refused, Retry } = require('./lib/errors');
const { inThread } = require('./lib/jobs');
const { hooks, register, task, tasks } = require('./lib/tasks');
const { EX_CONFIG, Worker } = require('./lib/worker');

const worker = new Worker();

/**
 * Runs the worker. Options: load, files of tasks relative to the program's folder, or a function;
 * they are loaded in the worker, so a restart takes the new code. concurrency, how many jobs run at
 * the same time (1). cancel, whether the daemon says early that a job is cancelled (true).
 */
async function serve({ load = [], concurrency = 1, cancel = true } = {}) {
  worker.concurrency = concurrency;
  if (worker.supervised) worker.watchSignals();
  for (const what of [].concat(load)) {
    if (typeof what === 'function') await what();
    else await loadFile(path.resolve(path.dirname(process.argv[1] || '.'), what));
  }
  if (tasks.size === 0) {
    note('there is no task: nothing was given to task()');
    process.exit(EX_CONFIG);
  }
  if (!worker.supervised && !inThread) return byHand(worker);
  for (const hook of hooks.onBoot) await hook();
  return inThread ? worker.serveInThread() : worker.serve(cancel);
}

async function loadFile(file) {
  try {
    require(file);
  } catch (error) {
    if (error.code !== 'ERR_REQUIRE_ESM') throw error;
    await import(require('url').pathToFileURL(file));
  }
}

module.exports = {
  Abort, Failure, ForceKilled, Permanent, Refused, Retry, serve, task,
  onBoot: register('onBoot'), onExit: register('onExit'), onStart: register('onStart'),
  onDone: register('onDone'), onFail: register('onFail'), onAbort: register('onAbort'),
};
for (const name of ['Client', 'ClientError', 'JobFailed', 'NoDaemon', 'WaitTimeout']) {
  Object.defineProperty(module.exports, name, {
    enumerable: true, get: () => require('./lib/client')[name] });
}
