'use strict';
// One job: its hooks, and the one outcome that it has.

const threads = require('worker_threads');
const { note, takeDescriptors, writeLine } = require('./descriptors');
const { encode, members, payload, whole } = require('./encode');
const { Abort, Failure, ForceKilled, Permanent, Refused, failure } = require('./errors');
const { Job, STATES: { RUNNING, FINISHING, ABORTING, CLOSED } } = require('./job');
const { hooks, tasks } = require('./tasks');

const SETTLE = 200; // How long an interrupted job may take to end by itself.
const inThread = !threads.isMainThread && Boolean(threads.workerData && threads.workerData.workman);
const thenable = (value) => value !== null && typeof value === 'object' && typeof value.then === 'function';

/** The part of a worker that runs jobs. */
class Jobs {
  constructor() {
    this.supervised = !inThread && Boolean(process.env.WORKMAN);
    if (this.supervised) Object.assign(this, takeDescriptors());
    this.hello = {};
    this.running = new Map();
    this.replies = new Map();
    this.refs = 0;
  }

  send(line) { writeLine(this.output, line); }

  // -- hooks --

  /** Runs the hooks of this name, the task's own last; a promise only where one is needed. */
  fire(name, job, ...more) {
    const own = tasks.get(job.task).hooks[name];
    const all = own ? [...hooks[name], own] : hooks[name];
    let said;
    for (const [index, hook] of all.entries()) {
      said = hook(job, ...more);
      if (thenable(said)) {
        return all.slice(index + 1).reduce((before, next) => before.then(() => next(job, ...more)), said);
      }
    }
    return own ? said : undefined;
  }

  has(name, job) { return hooks[name].length > 0 || tasks.get(job.task).hooks[name] !== undefined; }

  /** The outcome must go out, whatever a hook does. */
  async fireSafely(name, job, error) {
    try {
      return await this.fire(name, job, error);
    } catch (wrong) {
      note(`${name} of ${job.task}: ${(wrong && wrong.stack) || wrong}`);
      return undefined;
    }
  }

  // -- one job: RUNNING, then FINISHING or ABORTING, then CLOSED --

  start(message) {
    const job = new Job(this, message);
    this.running.set(job.id, job);
    const { run, options } = tasks.get(job.task);
    if (options.thread && this.supervised) return this.startInThread(job);
    let value;
    try {
      const before = this.has('onStart', job) ? this.fire('onStart', job) : undefined;
      value = thenable(before) ? before.then(() => run(job.args, job)) : run(job.args, job);
      if (thenable(value)) {
        return void value.then((result) => this.completed(job, result),
          (error) => this.failed(job, error));
      }
    } catch (error) {
      return this.failed(job, error);
    }
    return this.completed(job, value);
  }

  completed(job, result) {
    if (job.state !== RUNNING) return this.settled(job);
    if (!this.has('onDone', job)) return this.done(job, result);
    let said;
    try {
      said = this.fire('onDone', job, result);
    } catch (error) {
      return this.failed(job, error);
    }
    if (!thenable(said)) return this.done(job, result);
    return void said.then(() => (job.state === RUNNING ? this.done(job, result) : this.settled(job)),
      (error) => this.failed(job, error));
  }

  done(job, result) {
    let body = '';
    try {
      if (result !== undefined && result !== null) body = `,${payload('result', result)}`;
    } catch (error) {
      return this.failed(job, error, 'unserialisable_result');
    }
    const limit = this.hello.max_line;
    if (limit && body.length * 3 > limit) {
      const length = job.followUps.reduce((sum, text) => sum + Buffer.byteLength(text), Buffer.byteLength(body));
      if (length + 256 > limit) {
        return this.failed(job, new Permanent(`the result has ${length} bytes, a line ${limit}`),
          'result_too_large');
      }
    }
    return this.finish(job, 'done', body);
  }

  /** What a rejection or an exception of the task means. */
  failed(job, error, code) {
    if (job.state !== RUNNING) return this.settled(job);
    job.followUps = [];
    const meant = error instanceof Abort || error instanceof Failure;
    if (job.cancelled && !meant) return void this.interrupt(job, job.reason); // It gave up.
    if (error instanceof Abort) {
      return this.finish(job, 'abort', members({
        reason: error.message, requeue: error.requeue, delay_ms: whole(error.delay) }));
    }
    if (!this.has('onFail', job)) return this.finish(job, 'fail', failure(error, code));
    return void this.fireSafely('onFail', job, error).then(() => (job.state === RUNNING
      ? this.finish(job, 'fail', failure(error, code)) : this.settled(job)));
  }

  finish(job, kind, rest) {
    job.state = FINISHING;
    const more = job.followUps.length ? `,"enqueue":[${job.followUps.join(',')}]` : '';
    this.end(job, `{"type":"${kind}","id":"${job.id}"${rest}${more}}`);
  }

  /** Sends the outcome, the last thing that is said of a job. */
  end(job, line) {
    this.send(line, true);
    job.state = CLOSED;
    this.running.delete(job.id);
    this.pump();
  }

  settled(job) { if (job.onSettled) job.onSettled(); }

  /** SIGABRT, or a cancelled job that gave up: the hook first, for it may enqueue the job itself. */
  async interrupt(job, reason) {
    if (job.state !== RUNNING) return;
    const asked = !job.cancelled || this.killed;
    job.state = ABORTING;
    job.followUps = [];
    const settled = new Promise((resolve) => { job.onSettled = resolve; });
    job.cancel(reason);
    if (job.thread) await job.thread.terminate();
    else if (asked) await Promise.race([settled, new Promise((resolve) => { setTimeout(resolve, SETTLE); })]);
    const error = new ForceKilled(job.reason);
    const requeue = await this.fireSafely('onAbort', job, error);
    job.thread = undefined;
    this.finish(job, 'abort', members({
      reason: error.message, requeue: typeof requeue === 'boolean' ? requeue : undefined }));
  }

  enqueueNow(text) {
    if (!this.supervised && !inThread) {
      return Promise.reject(new Refused('a reply comes only to a worker of a daemon'));
    }
    this.refs += 1;
    const ref = `${inThread ? `t${threads.threadId}-` : ''}r${this.refs}`;
    const reply = new Promise((resolve, reject) => { this.replies.set(ref, { resolve, reject }); });
    this.send(`{"type":"enqueue",${text},"ref":"${ref}"}`);
    return reply;
  }
}

module.exports = { Jobs, inThread };
