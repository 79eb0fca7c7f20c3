'use strict';
// The producer: puts jobs on a profile's queue through the daemon's control socket.

const fs = require('fs');
const util = require('util');
const { members, payload } = require('./encode');

/** The daemon refused the request; the message is its sentence. */
class ClientError extends Error {}
/** No daemon answers; the message names every path that was tried. */
class NoDaemon extends ClientError {}
/** The wait ran out; the job goes on. */
class WaitTimeout extends ClientError {}
/** The job's final outcome is a failure; `failure` is its whole error object. */
class JobFailed extends ClientError {
  constructor(message, failure) {
    super(message);
    this.failure = failure;
  }
}
for (const Class of [ClientError, NoDaemon, WaitTimeout, JobFailed]) {
  Object.defineProperty(Class.prototype, 'name', { value: Class.name });
}

/**
 * new Client('thumbs') or new Client({ socket: '/run/workman/thumbs.sock' }); in a worker,
 * new Client() means its own daemon's profile. It connects for each request.
 */
class Client {
  constructor(where = {}) {
    const { profile, socket } = typeof where === 'string' ? { profile: where } : where;
    this.profile = profile || process.env.WORKMAN_PROFILE;
    this.socket = socket;
    if (!this.socket && !this.profile) throw new TypeError("give a profile's name or a socket");
  }

  /**
   * Puts a job on the queue and resolves to the queue's id of it. Options: delay in milliseconds,
   * priority ('high', 'normal', 'low'), unique (a job with the key of a waiting one is not added),
   * maxAttempts.
   */
  async enqueue(task, args, options) {
    return (await this.ask(request(task, args, options) + '}')).id;
  }

  enqueueBackground(task, args, options) {
    return this.enqueue(task, args, options);
  }

  /**
   * Waits for the final outcome, retries included, and resolves to the result. Rejects with
   * JobFailed, or with WaitTimeout after `timeout` milliseconds: the job goes on then.
   */
  async enqueueWithWait(task, args, { timeout, ...options } = {}) {
    const waiting = members({ wait: true, timeout_ms: timeout }) + '}';
    const reply = await this.ask(request(task, args, options) + waiting);
    return 'result_b64' in reply ? Buffer.from(reply.result_b64, 'base64') : reply.result ?? null;
  }

  async status() {
    return (await this.ask('{"verb":"status"}')).status;
  }

  /** One request of the control socket, one reply. */
  async ask(wanted) {
    const reply = await exchange(await this.connect(), wanted + '\n');
    if (reply.ok) return reply;
    const sentence = reply.error || 'refused';
    if (reply.timeout) throw new WaitTimeout(sentence);
    if (reply.failure) throw new JobFailed(sentence, reply.failure);
    throw new ClientError(sentence);
  }

  paths() {
    if (this.socket) return [this.socket];
    const name = this.profile + '.sock';
    const runtime = process.env.XDG_RUNTIME_DIR;
    return [`/run/workman/${name}`, ...(runtime ? [`${runtime}/workman/${name}`] : []),
      `/tmp/workman-${process.getuid()}/${name}`];
  }

  async connect() {
    const tried = [];
    for (const path of this.paths()) {
      try {
        trusted(path);
        return await dial(path);
      } catch (error) {
        const known = util.getSystemErrorMap().get(error.errno); // Without the path and the call.
        tried.push(`  ${path}: ${known ? known[1] : error.message}`);
      }
    }
    throw new NoDaemon(
      `no running daemon of the profile ${this.profile || 'behind this socket'} found; tried:\n` +
      tried.join('\n') + '\n' +
      'The daemon must run for this. Without it, the command line puts a job on the queue as well:\n' +
      "  workman enqueue -p PROFILE.yaml TASK 'JSON'");
  }
}

/** A request as JSON, without its closing brace. */
function request(task, args, { delay, priority, unique, maxAttempts, ...unknown } = {}) {
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option: ${name}`);
  const delay_ms = delay === undefined ? delay : Math.round(delay);
  return `{"verb":"enqueue",${payload('args', args)}` +
    members({ task, delay_ms, priority, unique, max_attempts: maxAttempts });
}

/** A socket that somebody else could have put there gets no job of ours. */
function trusted(path) {
  const found = fs.statSync(path);
  const me = process.getuid();
  if (found.uid !== 0 && found.uid !== me && me !== 0) throw new Error('belongs to another user');
  if (found.mode & 0o002) throw new Error('everybody may write to it');
}

function dial(path) {
  return new Promise((resolve, reject) => {
    const connection = require('net').connect(path);
    connection.once('connect', () => resolve(connection)).once('error', reject);
  });
}

function exchange(connection, line) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    connection.on('data', (chunk) => {
      chunks.push(chunk);
      if (chunk.includes(10)) connection.end();
    });
    connection.on('error', (error) => reject(new ClientError(`the daemon broke off: ${error.message}`)));
    connection.on('close', () => {
      const text = Buffer.concat(chunks).toString();
      const end = text.indexOf('\n');
      if (end >= 0) return resolve(JSON.parse(text.slice(0, end)));
      return reject(new ClientError(
        'the daemon has gone before it answered; nobody knows what became of the request'));
    });
    connection.write(line);
  });
}

module.exports = { Client, ClientError, JobFailed, NoDaemon, WaitTimeout };
