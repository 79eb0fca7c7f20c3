'use strict';
// Tasks, their options and hooks.

const { encode, members } = require('./encode');

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

module.exports = { hooks, register, task, tasks };
