# The loop without a library that the bench of the SDKs measures against.
require 'json'
$stdout.sync = true
def out(message) = $stdout.write(JSON.generate(message) << "\n")
out(type: 'ready', tasks: ['kit.echo'])
$stdin.each_line do |line|
  job = JSON.parse(line)
  next if job['type'] != 'job'
  begin
    out(type: 'done', id: job['id'], result: job['args'])
  rescue StandardError => e
    out(type: 'fail', id: job['id'], error: { message: e.message })
  end
end
