#!/usr/bin/env node
// A worker in JavaScript. console.log would go into the protocol: use console.error for messages.
'use strict';

const tasks = {
  Echo: (args) => args,
  Sleep: (args) => new Promise((resolve) => setTimeout(resolve, args.s * 1000, args)),
  Fail: (args) => { throw new Error(args.message); },
};

const send = (message) => process.stdout.write(JSON.stringify(message) + '\n');

async function run(job) {
  try {
    if (!Object.hasOwn(tasks, job.task)) throw new Error(`no task ${job.task}`);
    send({type: 'done', id: job.id, result: await tasks[job.task](job.args)});
  } catch (error) {
    send({type: 'fail', id: job.id, error: {message: String(error.message || error)}});
  }
}

send({type: 'ready', tasks: Object.keys(tasks)});
require('readline').createInterface({input: process.stdin}).on('line', (line) => {
  const message = JSON.parse(line);
  if (message.type === 'job') run(message);
});
