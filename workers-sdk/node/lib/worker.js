'use strict';
// The loop of a worker: lines in, what waits and what runs, and how it ends.

const fs = require('fs');
const { note } = require('./descriptors');
const { encode, members } = require('./encode');
const { Refused } = require('./errors');
const { hooks, tasks } = require('./tasks');
const { Threads } = require('./threads');

const VERSION = require('../package.json').version;
const PROTOCOL = 1;
const EX_CONFIG = 78;

/** One process, or one thread of it: the jobs that run, those that wait, and how it ends. */
class Worker extends Threads {
  constructor() {
    super();
    this.parked = [];
    this.concurrency = 1;
    this.rest = [];
    // refuse: give jobs back. drain: leave when nothing is left to answer.
    this.refuse = this.drain = this.eof = this.leaving = this.pumping = false;
    this.chunks = 0;
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

module.exports = { EX_CONFIG, Worker };
