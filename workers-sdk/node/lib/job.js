'use strict';
// The job as a task sees it.

const { ForceKilled } = require('./errors');
const { encode, members, payload, whole } = require('./encode');

function spec(task_name, args, { delay, priority, unique, maxAttempts }) {
  return `"task":${encode(task_name)},${payload('args', args)}` +
    members({ delay_ms: whole(delay), priority, unique, max_attempts: maxAttempts });
}

const STATES = { RUNNING: 0, FINISHING: 1, ABORTING: 2, CLOSED: 3 };

/** The job as a task sees it: what it is asked, and what it can say while it runs. */
class Job {
  #controller;

  constructor(worker, message) {
    if (typeof message.id !== 'string' || typeof message.task !== 'string') {
      throw new TypeError('a job without an id or a task');
    }
    this.worker = worker;
    this.message = message;
    this.id = message.id;
    this.task = message.task;
    this.args = message.args_b64 === undefined ? message.args : Buffer.from(message.args_b64, 'base64');
    this.attempt = message.attempt || 1;
    this.maxAttempts = message.max_attempts;
    this.ends = message.timeout_ms ? performance.now() + message.timeout_ms : undefined;
    this.state = STATES.RUNNING;
    this.followUps = [];
    this.reason = undefined;
  }

  /** Epoch in ms, or undefined. */
  get deadline() { return this.message.deadline_at; }
  get queue() { return this.message.queue; }
  /** The `config:` block of the profile. */
  get config() { return this.worker.hello.config || {}; }
  /** True once the daemon has given up this job; job.signal aborts at the same moment. */
  get cancelled() { return this.reason !== undefined; }
  /** An AbortSignal for fetch, timers and the like; its reason is a ForceKilled. */
  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.reason) this.#controller.abort(new ForceKilled(this.reason));
    }
    return this.#controller.signal;
  }
  /** Milliseconds until the time limit, or undefined. */
  remaining() { return this.ends === undefined ? undefined : this.ends - performance.now(); }

  progress(done, total, message) { this.say('progress', members({ done, total, message })); }
  /** Sends a part of the result now, where the queue can. */
  data(value, { warn = false } = {}) {
    this.say('data', `,${payload('data', value)}${warn ? ',"warn":true' : ''}`);
  }
  log(message, level = 'info', fields = undefined) {
    this.say('log', members({ level, message: String(message), fields }));
  }
  /** Says that the job is alive; extend: moves the time limit by so many ms. */
  heartbeat({ extend } = {}) {
    this.say('heartbeat', members({ extend_ms: whole(extend) }));
    if (extend && this.ends !== undefined) this.ends += extend;
  }
  /**
   * A new job. It goes onto the queue together with this job's outcome `done`, or, from a hook,
   * with the outcome of that hook. With now: true it goes at once, and this returns a promise of
   * what the queue said; it rejects with Refused.
   */
  enqueue(name, args, { now = false, ...options } = {}) {
    const text = spec(name, args, options);
    if (now) return this.worker.enqueueNow(text);
    this.followUps.push(`{${text}}`);
    return undefined;
  }

  say(kind, rest) {
    if (this.state !== STATES.CLOSED) this.worker.send(`{"type":"${kind}","id":"${this.id}"${rest}}`);
  }
  cancel(reason) {
    if (this.reason === undefined) this.reason = reason;
    if (this.#controller) this.#controller.abort(new ForceKilled(this.reason));
  }
}

module.exports = { Job, STATES };
