#!/usr/bin/env node
'use strict';
// Two tasks: a function and a class. Try it: node thumbs.js --run resize '{"file": "a.png"}'

const { Permanent, serve, task } = require('../workman');

task('resize', { timeout: 30e3, maxAttempts: 4, backoff: [1e3, 60e3] }, async (args, job) => {
  if (!args || !args.file) throw new Permanent('no file is named', { code: 'bad_args' });
  job.progress(1, 2);
  job.enqueue('Report', { file: args.file }, { delay: 60e3 });
  return { file: args.file, width: args.width || 200 };
}).onAbort((job, error) => {
  // The worker must stop before the job could end: put it back with a mark, once.
  job.enqueue('resize', { ...job.args, interrupted: error.reason });
  return false; // It went back by itself; the daemon need not do it.
});

task(class Report {
  static timeout = 600e3;

  async run(args, job) {
    job.log('a report', 'info', { file: args.file });
  }

  onFail(job) {
    job.log(`attempt ${job.attempt} failed`, 'warn');
  }
});

serve();
