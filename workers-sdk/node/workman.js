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

const fs = require('fs');
const path = require('path');
const threads = require('worker_threads');
const { encode, members, payload } = require('./encode');

const VERSION = require('./package.json').version;
const PROTOCOL = 1;
const EX_CONFIG = 78;
const SETTLE = 200; // How long an interrupted job may take to end by itself.
const inThread = !threads.isMainThread && Boolean(threads.workerData && threads.workerData.workman);

// ---- what a task may throw ----

/** The job failed. `code` and `data` go to the queue with the message; `delay` is in ms. */
class Failure extends Error {
  constructor(message = '', { code, data, delay } = {}) {
    super(message);
    Object.assign(this, { code, data, delay });
  }
}
/** Try again after `delay` (none: the back-off), never beyond maxAttempts. */
class Retry extends Failure {}
/** No further try can help. */
class Permanent extends Failure {}
Retry.prototype.retry = true;
Permanent.prototype.retry = false;

/** Not done, give it back: no attempt is counted. Without `requeue` the policy decides. */
class Abort extends Error {
  constructor(reason = 'given back by the task', { requeue, delay } = {}) {
    super(reason);
    Object.assign(this, { requeue, delay });
  }
}
/** The daemon did not take an enqueue(…, { now: true }). */
class Refused extends Error {}
/** Why job.signal aborts. `reason` is 'timeout', 'shutdown' or 'revoked'. */
class ForceKilled extends Error {
  constructor(reason) {
    super(`force killed (${reason})`);
    this.reason = reason;
  }
}
for (const Class of [Failure, Retry, Permanent, Abort, Refused, ForceKilled]) {
  Object.defineProperty(Class.prototype, 'name', { value: Class.name });
}

// ---- tasks ----

const tasks = new Map();
const JOB_HOOKS = ['onStart', 'onDone', 'onFail', 'onAbort'];
const hooks = { onBoot: [], onExit: [] };
const OPTIONS = ['timeout', 'stall', 'maxAttempts', 'limit', 'backoff', 'payload', 'policy', 'desc',
  'thread'];

class Task {
  constructor(name, options, run) {
    this.name = name;
    this.run = run;
    this.hooks = {};
    this.options = {};
    for (const key of Object.keys(options)) {
      if (JOB_HOOKS.includes(key) && typeof options[key] === 'function') this[key](options[key]);
      else if (OPTIONS.includes(key)) this.options[key] = options[key];
      else throw new TypeError(`task ${name}: unknown option ${key}; known: ${OPTIONS.join(', ')}`);
    }
  }

  /** What `ready` says of this task. */
  announcement() {
    let { backoff } = this.options;
    if (typeof backoff === 'number') backoff = { kind: 'const', base_ms: backoff };
    else if (Array.isArray(backoff)) backoff = { kind: 'exp', base_ms: backoff[0], max_ms: backoff[1] };
    const { timeout, stall, maxAttempts, limit, policy, desc } = this.options;
    const said = members({ timeout_ms: timeout, stall_ms: stall, max_attempts: maxAttempts, limit,
      backoff, payload: this.options.payload, on_abort: policy, desc });
    return said ? `{"name":${encode(this.name)}${said}}` : encode(this.name);
  }
}
for (const name of JOB_HOOKS) {
  hooks[name] = [];
  Task.prototype[name] = function set(hook) {
    this.hooks[name] = hook;
    return this;
  };
}

/**
 * Makes a task: task('name', { options }, function), the first two as you like, or task(Class), a
 * class with a method run(args, job); its static members are options, its methods onStart(job),
 * onDone(job, result), onFail(job, error) and onAbort(job, error) are hooks. Returns the task, on
 * which the hooks of a function are set: task(…).onAbort((job, error) => true).
 */
function task(...parts) {
  const what = parts.pop();
  if (typeof what !== 'function') throw new TypeError('task() needs a function or a class');
  const name = typeof parts[0] === 'string' ? parts.shift() : what.name;
  if (!name) throw new TypeError('a task needs a name');
  let options = { ...parts[0] };
  let run = what;
  if (what.prototype && typeof what.prototype.run === 'function') {
    const object = new what();
    options = { ...options, ...options_of(what) };
    for (const hook of JOB_HOOKS) {
      if (typeof object[hook] === 'function') options[hook] = object[hook].bind(object);
    }
    run = object.run.bind(object);
  }
  const made = new Task(name, options, run);
  tasks.set(name, made);
  return made;
}

function options_of(Class) {
  return Object.fromEntries(OPTIONS.filter((key) => Class[key] !== undefined)
    .map((key) => [key, Class[key]]));
}

const register = (name) => (hook) => {
  hooks[name].push(hook);
  return hook;
};

// ---- a job ----

const thenable = (value) => value !== null && typeof value === 'object' && typeof value.then === 'function';
const whole = (ms) => (ms === undefined || ms === null ? undefined : Math.max(0, Math.round(ms)));

function spec(task_name, args, { delay, priority, unique, maxAttempts }) {
  return `"task":${encode(task_name)},${payload('args', args)}` +
    members({ delay_ms: whole(delay), priority, unique, max_attempts: maxAttempts });
}

const [RUNNING, FINISHING, ABORTING, CLOSED] = [0, 1, 2, 3];

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
    this.state = RUNNING;
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
    if (this.state !== CLOSED) this.worker.send(`{"type":"${kind}","id":"${this.id}"${rest}}`);
  }
  cancel(reason) {
    if (this.reason === undefined) this.reason = reason;
    if (this.#controller) this.#controller.abort(new ForceKilled(this.reason));
  }
}

// ---- descriptors ----

function note(text) {
  try {
    fs.writeSync(2, `<4>workman: ${text}\n`);
  } catch { /* There is no stderr. */ }
}

/**
 * Node.js has no dup(2). Opening /proc/self/fd/N makes a second description of the same pipe, which
 * children do not inherit; closing 0 and 1 then frees the numbers for what is opened next. Without
 * /proc, or where a descriptor is a socket, what JavaScript prints is sent to stderr all the same.
 */
function takeDescriptors() {
  const { env } = process;
  delete env.WORKMAN;
  const { constants: { O_RDONLY, O_WRONLY, O_NONBLOCK, O_APPEND } } = fs;
  const open = (fd, flags) => {
    try {
      return fs.openSync(`/proc/self/fd/${fd}`, flags);
    } catch {
      return -1;
    }
  };
  // Without a reader at the other end, an open that may wait would wait for ever.
  const writable = (fd) => {
    const probe = open(fd, O_WRONLY | O_NONBLOCK);
    if (probe >= 0) fs.closeSync(probe);
    return probe >= 0;
  };
  let [input, output] = [Number(env.WORKMAN_IN || 0), Number(env.WORKMAN_OUT || 1)];
  delete env.WORKMAN_IN;
  delete env.WORKMAN_OUT;
  if (output === 1) {
    const copy = writable(1) ? open(1, O_WRONLY | O_APPEND) : -1;
    if (copy < 0 || !writable(2)) printToStderr();
    if (copy >= 0) {
      output = copy;
      const stderr = writable(2) ? '/proc/self/fd/2' : '/dev/null';
      fs.closeSync(1);
      fs.openSync(stderr, O_WRONLY | O_APPEND);
    }
  }
  if (input === 0) {
    const copy = open(0, O_RDONLY | O_NONBLOCK);
    if (copy >= 0) {
      input = copy;
      fs.closeSync(0);
      fs.openSync('/dev/null', 'r');
    }
  }
  return { input, output };
}

function printToStderr() {
  process.stdout.write = process.stderr.write.bind(process.stderr);
}

function writeLine(fd, line) {
  let bytes = Buffer.from(line + '\n');
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(fs.writeSync(fd, bytes));
    } catch (error) {
      if (error.code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      } else {
        note(`cannot write to the daemon: ${error.message}`);
        process.reallyExit(1);
      }
    }
  }
}

// ---- the worker ----

/** One process, or one thread of it: the jobs that run, those that wait, and how it ends. */
class Worker {
  constructor() {
    this.supervised = !inThread && Boolean(process.env.WORKMAN);
    if (this.supervised) Object.assign(this, takeDescriptors());
    this.hello = {};
    this.running = new Map();
    this.parked = [];
    this.replies = new Map();
    this.idleThreads = [];
    this.concurrency = 1;
    this.refs = 0;
    this.rest = [];
    // refuse: give jobs back. drain: leave when nothing is left to answer.
    this.refuse = this.drain = this.eof = this.leaving = this.pumping = false;
    this.chunks = 0;
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

  // -- jobs in a thread of their own: a second worker, which speaks the same lines to this one --

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

  // -- lines --

  read(chunk) {
    this.chunks += 1;
    if (this.first === undefined) {
      this.first = false;
      if (chunk.length > 2 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) {
        chunk = chunk.subarray(3);
      }
    }
    const end = chunk.lastIndexOf(10);
    if (end < 0) return void this.rest.push(chunk);
    let head = chunk.subarray(0, end);
    if (this.rest.length) head = Buffer.concat([...this.rest, head]);
    this.rest = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
    for (const line of head.toString().split('\n')) this.handle(line);
    this.pump();
  }

  handle(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      return this.unreadable(line);
    }
    if (message === null || typeof message !== 'object') return undefined;
    switch (message.type) {
      case 'job': return this.take(message);
      case 'cancel': return this.cancel(message);
      case 'reply': return this.reply(message);
      case 'shutdown':
        this.refuse = true;
        return this.giveBack();
      case 'hello':
        this.hello = message;
        if ((message.proto_min || 1) > PROTOCOL) {
          note(`the daemon speaks no version ${PROTOCOL} of the protocol`);
          process.exit(EX_CONFIG);
        }
        return undefined;
      default: return undefined;
    }
  }

  /** Not JSON; if it is a job all the same, that is answered. */
  unreadable(line) {
    if (!line.trim()) return;
    note(`a line that cannot be read: ${line.slice(0, 100)}`);
    const job = /^\{"type":"job","id":"([0-9A-Za-z]+)".*\}\s*$/s.exec(line);
    if (!job) return;
    const error = { message: 'JavaScript cannot read these arguments', code: 'unreadable_args' };
    this.send(`{"type":"fail","id":"${job[1]}"${members({ error })}}`);
  }

  take(message) {
    if (typeof message.id !== 'string' || typeof message.task !== 'string') {
      return note('a job without an id or a task');
    }
    const about = `"id":"${message.id}"`;
    if (this.drain || this.refuse) {
      return this.send(`{"type":"abort",${about},"reason":"stopping","requeue":true}`);
    }
    if (!tasks.has(message.task)) {
      const error = { message: `no task ${encode(message.task)} here`, code: 'task_not_found' };
      return this.send(`{"type":"fail",${about}${members({ error })}}`);
    }
    if (this.running.size >= this.concurrency) return void this.parked.push(message);
    return this.start(message);
  }

  /** Parked jobs are answered as soon as the worker is to stop. */
  giveBack() { for (const message of this.parked.splice(0)) this.take(message); }

  cancel(message) {
    const job = this.running.get(message.id);
    if (!job) return;
    job.cancel(message.reason || 'shutdown');
    if (job.thread) job.thread.postMessage({ cancel: message });
  }

  reply(message) {
    const waiting = this.replies.get(message.id);
    if (!waiting) return undefined;
    this.replies.delete(message.id);
    if (waiting.thread) return waiting.thread.postMessage({ reply: message });
    if (message.ok) return waiting.resolve(message.result ?? null);
    return waiting.reject(new Refused((message.error && message.error.message) || message.error ||
      'no reason given'));
  }

  // -- the loop --

  /** Starts what can start; leaves when nothing is left. */
  pump() {
    if (this.pumping) return;
    this.pumping = true;
    while (this.parked.length && this.running.size < this.concurrency) this.start(this.parked.shift());
    this.pumping = false;
    if ((this.eof || this.drain) && !this.running.size) this.leaveSoon();
  }

  stop(abort) {
    this.drain = true;
    this.killed = this.killed || abort;
    this.giveBack();
    if (abort) {
      for (const job of this.running.values()) {
        const late = job.ends !== undefined && performance.now() >= job.ends;
        this.interrupt(job, job.reason || (late ? 'timeout' : 'shutdown'));
      }
    }
    this.pump();
  }

  /** What came before the signal is answered: the loop turns until it brings nothing more. */
  leaveSoon() {
    if (this.leaving) return;
    this.leaving = true;
    const seen = this.chunks;
    setImmediate(() => setImmediate(() => {
      this.leaving = false;
      if (this.running.size || this.parked.length || (seen !== this.chunks && !this.eof)) this.pump();
      else this.leave();
    }));
  }

  async leave() {
    this.leaving = true;
    for (const hook of hooks.onExit) await hook();
    process.exit(0);
  }

  ready(cancel) {
    const features = ['enqueue', 'extend', ...(cancel ? ['cancel'] : [])];
    const sdk = { name: 'workman-node', version: VERSION, lang: `node ${process.versions.node}` };
    const concurrency = this.concurrency > 1 ? this.concurrency : undefined;
    const all = [...tasks.values()].map((one) => one.announcement());
    this.send(`{"type":"ready"${members({ proto: PROTOCOL, pid: process.pid, signals: ['TERM', 'ABRT'],
      sdk, features, concurrency })},"tasks":[${all.join(',')}]}`);
  }

  /** Listeners, and not SIG_IGN, which children would inherit. */
  watchSignals() {
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => this.stop(false));
    process.on('SIGHUP', () => this.stop(false));
    process.on('SIGABRT', () => this.stop(true));
    process.on('beforeExit', () => {
      if (this.running.size) {
        note('the job waits for something that can never come');
        process.exit(1);
      }
    });
  }

  serve(cancel) {
    this.ready(cancel);
    const type = fs.fstatSync(this.input);
    const input = type.isFIFO() || type.isSocket()
      ? new (require('net').Socket)({ fd: this.input, readable: true, writable: false })
      : fs.createReadStream(null, { fd: this.input });
    input.on('data', (chunk) => this.read(chunk));
    input.on('error', (error) => note(`stdin: ${error.message}`));
    input.on('close', () => {
      this.eof = true;
      for (const { reject } of this.replies.values()) if (reject) reject(new Refused('the daemon has gone'));
      this.pump();
    });
  }
}

/** What of an error goes to the queue. */
function failure(error, code) {
  const isError = error instanceof Error;
  const what = { message: String(isError ? error.message || error.name : error).slice(0, 65536) };
  what.code = code || (isError && typeof error.code === 'string' ? error.code : undefined);
  let rest = '';
  if (isError) what.class = error.constructor.name || error.name;
  if (error instanceof Failure) rest = members({ retry: error.retry, delay_ms: whole(error.delay) });
  else if (isError && !code) what.trace = stack(error);
  try {
    if (error instanceof Failure && error.data !== undefined) what.data = error.data;
    return members({ error: what }) + rest;
  } catch {
    delete what.data;
    return members({ error: what }) + rest;
  }
}

/** The frames that are not ours. */
function stack(error) {
  return String(error.stack).split('\n').filter((line) => !line.includes(__filename) &&
    !line.includes('node:internal')).join('\n').slice(0, 16384);
}

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
  if (!worker.supervised && !inThread) return byHand();
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

// ---- without a daemon ----

async function byHand() {
  const [command, ...rest] = process.argv.slice(2);
  const program = path.relative('.', process.argv[1]);
  if (command === '--list' && rest.length === 0) {
    console.log([...tasks.keys()].join('\n'));
  } else if (command === '--run' && (rest.length === 1 || rest.length === 2)) {
    await runByHand(...rest);
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

async function runByHand(name, text = 'null') {
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

module.exports = {
  Abort, Failure, ForceKilled, Permanent, Refused, Retry, serve, task,
  onBoot: register('onBoot'), onExit: register('onExit'), onStart: register('onStart'),
  onDone: register('onDone'), onFail: register('onFail'), onAbort: register('onAbort'),
};
for (const name of ['Client', 'ClientError', 'JobFailed', 'NoDaemon', 'WaitTimeout']) {
  Object.defineProperty(module.exports, name, {
    enumerable: true, get: () => require('./client')[name] });
}
