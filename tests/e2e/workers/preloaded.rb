# frozen_string_literal: true

# A worker that is forked from a template; what it does while it loads stands in a file.

$LOAD_PATH.unshift(File.expand_path("../../../workers-sdk/ruby/lib", __dir__))
require "workman"
require "json"

def record(what, **fields)
  File.write(ENV.fetch("WORKMAN_E2E_RECORD"), "#{{what: what, pid: Process.pid, **fields}.to_json}\n", mode: "a")
end

order = File.read(ENV.fetch("WORKMAN_E2E_CODE")).split
record("load", order: order[0])
sleep(600) if order[0] == "hang"
if order[0] == "exit"
  warn "will not load"
  exit!(order[1].to_i)
end

Workman.before_fork { record("before_fork") }
Workman.after_fork { record("after_fork") }
Workman.on_boot { record("boot") }
Workman.on_exit { record("exit") }

Workman.task(:Who) do
  puts "asked #{Process.pid}"
  {pid: Process.pid, ppid: Process.ppid, sid: Process.getsid, version: order[0], worker: ENV.fetch("WORKMAN_WORKER")}
end

Workman.task(:Sleep) do |args|
  record("sleep")
  sleep(args["s"])
  args
end.on_abort do
  record("on_abort")
  false
end

Workman.task(:Echo) { |args| args }

Workman.serve
