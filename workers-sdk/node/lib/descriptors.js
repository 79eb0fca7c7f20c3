'use strict';
// The descriptors of a worker: what is taken so that no print can damage the protocol, and how lines
// are written.

const fs = require('fs');

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

module.exports = { note, takeDescriptors, writeLine };
