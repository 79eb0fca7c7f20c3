'use strict';
// Jobs in a thread of their own: a second worker, which speaks the same lines to this one.

const threads = require('worker_threads');
const { note } = require('./descriptors');
const { failure } = require('./errors');
const { STATES: { RUNNING } } = require('./job');
const { Jobs } = require('./jobs');

/** The part of a worker that has threads, and what it is when it runs in one. */
class Threads extends Jobs {
  constructor() {
    super();
    this.idleThreads = [];
  }

  startInThread(job) {
    const thread = this.idleThreads.pop() || this.newThread();
    job.thread = thread;
    thread.job = job;
    thread.postMessage({ job: job.message, hello: this.hello });
  }

  newThread() {
    const thread = new threads.Worker(process.argv[1], {
      argv: process.argv.slice(2), execArgv: process.execArgv, workerData: { workman: true } });
    thread.on('message', ({ line, last }) => {
      const { job } = thread;
      if (!job || job.state !== RUNNING) return;
      if (!last) {
        const ref = /^\{"type":"enqueue".*"ref":"(t\d+-r\d+)"\}$/s.exec(line);
        if (ref) this.replies.set(ref[1], { thread });
        this.send(line);
        return;
      }
      thread.job = job.thread = undefined;
      this.idleThreads.push(thread);
      this.end(job, line);
    });
    thread.on('error', (error) => {
      const { job } = thread;
      thread.job = undefined;
      if (job && job.state === RUNNING) this.finish(job, 'fail', failure(error));
      else note(`a thread: ${(error && error.stack) || error}`);
    });
    thread.on('exit', (code) => {
      this.idleThreads = this.idleThreads.filter((other) => other !== thread);
      if (thread.job && thread.job.state === RUNNING) process.exit(code); // exit() in a task.
    });
    return thread;
  }

  serveInThread() {
    this.send = (line, last = false) => threads.parentPort.postMessage({ line, last });
    threads.parentPort.on('message', ({ job, hello, reply, cancel }) => {
      if (job) {
        this.hello = hello;
        this.parked.push(job);
        this.pump();
      } else if (reply) {
        this.reply(reply);
      } else {
        this.cancel(cancel);
      }
    });
  }
}

module.exports = { Threads };
