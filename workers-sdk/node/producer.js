#!/usr/bin/env node
'use strict';
// For the tests of the client: makes one call, which is told as JSON, and prints what came of it.

const { Client } = require('./workman');

const METHODS = { enqueue_background: 'enqueueBackground', enqueue_with_wait: 'enqueueWithWait' };
const ms = (seconds) => (seconds === undefined ? undefined : seconds * 1000);

async function made({ call, task, args, bytes, profile, socket, options = {} }) {
  const client = new Client({ profile, socket });
  if (call === 'status') return client.status();
  const { delay, timeout, max_attempts: maxAttempts, ...rest } = options;
  const given = { ...rest, delay: ms(delay), maxAttempts };
  if (timeout !== undefined) given.timeout = ms(timeout);
  return client[METHODS[call] || call](task, bytes === undefined ? args : Buffer.from(bytes, 'base64'), given);
}

made(JSON.parse(process.argv[2])).then(
  (value) => (value instanceof Buffer ? { bytes: value.toString('base64') } : { value }),
  (error) => ({ error: error.constructor.name, message: error.message, failure: error.failure }),
).then((said) => console.log(JSON.stringify(said)));
