// The loop without a library that the bench of the SDKs measures against.
'use strict';
const out = (message) => process.stdout.write(JSON.stringify(message) + '\n');
out({ type: 'ready', tasks: ['kit.echo'] });
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const job = JSON.parse(line);
  if (job.type !== 'job') return;
  try {
    out({ type: 'done', id: job.id, result: job.args });
  } catch (error) {
    out({ type: 'fail', id: job.id, error: { message: String(error) } });
  }
});
