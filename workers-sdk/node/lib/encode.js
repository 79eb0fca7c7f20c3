'use strict';
// JSON as the protocol wants it: what JSON cannot say is an error, and bytes travel as base64.

function strict(key, value) {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`${value} is not JSON${key && ` (${key})`}`);
  }
  return value;
}

/** JSON.stringify writes null for NaN; only a text with a null in it is worth a second look. */
function encode(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} is not JSON`);
  if (text.includes('null')) JSON.stringify(value, strict);
  return text;
}

function base64(value) {
  const bytes = value instanceof ArrayBuffer ? Buffer.from(value)
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return bytes.toString('base64');
}

const isBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

/** A member that carries a value: bytes as base64, anything else as JSON. */
function payload(name, value) {
  if (value !== null && typeof value === 'object' && isBytes(value)) {
    return `"${name}_b64":"${base64(value)}"`;
  }
  return `"${name}":${value === undefined ? 'null' : encode(value)}`;
}

/** JSON members, each with a comma before it; those without a value are left out. */
function members(values) {
  let text = '';
  for (const key of Object.keys(values)) {
    if (values[key] !== undefined && values[key] !== null) text += `,"${key}":${encode(values[key])}`;
  }
  return text;
}

/** Milliseconds as the protocol wants them. */
const whole = (ms) => (ms === undefined || ms === null ? undefined : Math.max(0, Math.round(ms)));

module.exports = { encode, members, payload, whole };
