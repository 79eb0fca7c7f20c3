'use strict';
// What a task may throw, and what of an error goes to the queue.

const path = require('path');
const { members, whole } = require('./encode');

const OURS = [path.join(__dirname, '..', 'workman.js'), __dirname + path.sep, 'node:internal'];

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
  return String(error.stack).split('\n').filter((line) => !OURS.some((part) => line.includes(part)))
    .join('\n').slice(0, 16384);
}

module.exports = { Abort, Failure, ForceKilled, Permanent, Refused, Retry, failure };
