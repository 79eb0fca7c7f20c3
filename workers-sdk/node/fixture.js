#!/usr/bin/env node
'use strict';
// The worker of the conformance tests: one task for each thing that a worker can do wrong.

const fs = require('fs');
const { execFileSync, spawn } = require('child_process');
const { setTimeout: sleep } = require('timers/promises');
const workman = require('./workman');

const { task } = workman;
const marker = (job, error) => console.error(`on_abort ${job.id} ${error.reason}`);

task('kit.echo', (args) => args);

task('kit.fail', { maxAttempts: 2, backoff: [1000, 60000] }, (args) => {
  switch (args && args.kind) {
    case 'retry': throw new workman.Retry('later', { delay: 5000 });
    case 'permanent': throw new workman.Permanent('never', { code: 'not_found', data: { n: 1 } });
    case 'abort': throw new workman.Abort('no', { requeue: true, delay: 2000 });
    default: throw new RangeError('boom');
  }
});

async function doze(args, job) {
  while (args.late && job.remaining() > 0);
  job.progress(0);
  await sleep(args.s * 1000, undefined, { signal: job.signal });
  return args;
}
task('kit.sleep', doze).onAbort(marker).onDone((job) => {
  if (job.args.hook_fails) throw new TypeError('in a hook');
});

function spin(args, job) {
  job.progress(0);
  const end = Date.now() + args.s * 1000;
  while (Date.now() < end);
  return args;
}
task('kit.spin', { thread: true, timeout: 60000 }, spin).onAbort(marker);

task(class Requeue {
  static name = 'kit.requeue';
  async run(args, job) {
    job.enqueue('kit.never', 1);
    console.error('requeue runs');
    return doze(args, job);
  }
  async onAbort(job, error) {
    marker(job, error);
    job.enqueue('kit.echo', { again: true });
    return false;
  }
});

task('kit.print', (args) => {
  const { text = 'noise', newline = true, child = false } = args || {};
  if (child) execFileSync('echo', [text], { stdio: 'inherit' });
  else if (newline) console.log(text);
  else process.stdout.write(text);
  return args;
});

task('kit.exit', (args) => process.exit(args.code));

task('kit.progress', (args, job) => {
  for (const step of [1, 2, 3]) job.progress(step, 3, 'step');
  job.data({ row: 1 });
  job.data(Buffer.from([255]), { warn: true });
  job.log('hello', 'warn', { n: 1 });
  job.heartbeat({ extend: 2500 });
});

task('kit.enqueue', (args, job) => {
  if (args && args.now) return job.enqueue('kit.echo', 1, { unique: 'u', now: true });
  job.enqueue('kit.echo', { n: 1 }, { delay: 1500, priority: 'low', unique: 'u', maxAttempts: 2 });
  return job.enqueue('kit.echo', Buffer.from([255]));
});

task('kit.chain', (args, job) => {
  job.enqueue('kit.echo', 'with the outcome');
  return job.enqueue('kit.echo', 'at once', { now: true });
});

task('kit.bytes', { payload: 'base64' }, (args) => (
  args instanceof Buffer ? args : Buffer.from(Array.from({ length: args.n }, (_, index) => index % 256))));

task('kit.nan', (args) => ({ n: args === 'object' ? 1n : NaN }));

task('kit.orphan', (args) => spawn('sleep', [String(args.s)], { stdio: 'inherit' }).pid);

task('kit.cancelled', (args, job) => {
  job.progress(0);
  return new Promise((resolve, reject) => {
    job.signal.addEventListener('abort', () => reject(new workman.Abort('cancelled', { requeue: true })));
  });
});

// Turns the interruption into an error of its own, or into nothing.
task('kit.swallow', async (args, job) => {
  try {
    await doze(args, job);
  } catch {
    if (!args.quiet) throw new TypeError('wrapped');
  }
}).onAbort(marker);

// Does not look at its signal.
task('kit.deaf', async (args, job) => {
  job.progress(0);
  await sleep(args.s * 1000);
}).onAbort(marker);

// Its hook throws.
task('kit.rude', doze).onAbort(() => { throw new TypeError('a rude hook'); });

task('kit.threads', async (args, job) => {
  await Promise.all([1, 2, 3, 4].map(async () => {
    for (let part = 0; part < 5; part += 1) {
      await null;
      job.data('x'.repeat(args.n));
    }
  }));
});

// What a thread can say.
task('kit.thread', { thread: true }, async (args, job) => {
  if (args.throws) throw new RangeError('boom');
  if (args.exits) process.exit(args.exits);
  if (args.crashes) setImmediate(() => { throw new RangeError('crash'); });
  if (args.crashes) await sleep(600000);
  console.log('noise of a thread');
  job.progress(1, 2);
  job.enqueue('kit.echo', 1);
  return { args, reply: args.now ? await job.enqueue('kit.echo', 1, { now: true }) : null };
}).onDone((job) => job.log('done'));

task('kit.context', (args, job) => ({
  attempt: job.attempt, max_attempts: job.maxAttempts, deadline: job.deadline / 1000,
  left: job.remaining() / 1000, config: job.config, stdin: fs.readFileSync(0, 'utf8'),
  environment: 'WORKMAN' in process.env,
}));

const file = process.env.WORKMAN_KIT_TASKS;
const more = (process.env.KIT_LOAD || '').split(' ').filter(Boolean);
workman.serve({
  concurrency: Number(process.env.WORKMAN_KIT_CONCURRENCY || 1),
  load: [...more, () => {
    if (!file) return;
    for (const name of fs.readFileSync(file, 'utf8').split('\n')) if (name) task(name, (args) => args);
  }],
});
