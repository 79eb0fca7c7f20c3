#!/usr/bin/env ruby
# frozen_string_literal: true

# The worker of the conformance tests: one task for each thing that a worker can do wrong.

require_relative "lib/workman"

MARKER = ->(job, error) { warn "on_abort #{job.id} #{error.reason}" }

Workman.task("kit.echo") { |args| args }

Workman.task("kit.fail", max_attempts: 2, backoff: [1, 60]) do |args|
  case args.is_a?(Hash) && args["kind"]
  when "retry" then raise Workman::Retry.new("later", after: 5)
  when "permanent" then raise Workman::Permanent.new("never", code: "not_found", data: {n: 1})
  when "abort" then raise Workman::Abort.new(requeue: true, after: 2)
  when "deep" then raise NotImplementedError, "boom"
  end
  raise "boom"
end

Workman.task("kit.sleep", on_abort: MARKER) do |args, job|
  nil while args["late"] && job.remaining > 0
  job.progress(0)
  sleep args["s"]
  args
end.on_done { |job, _result| raise "in a hook" if job.args["hook_fails"] }

Workman.task("kit.spin", timeout: 60) do |args, job|
  job.progress(0)
  finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + args["s"]
  nil while Process.clock_gettime(Process::CLOCK_MONOTONIC) < finish
  args
end.on_abort(&MARKER)

class Requeue < Workman::Task
  options name: "kit.requeue"

  def run(args, job)
    job.enqueue("kit.never", 1)
    warn "requeue runs"
    job.progress(0)
    sleep args["s"]
  end

  def on_abort(job, error)
    MARKER.call(job, error)
    job.enqueue("kit.echo", {again: true})
    false
  end
end

Workman.task("kit.print") do |args|
  text = args.fetch("text", "noise")
  if args["child"] then system("echo", text)
  elsif args.fetch("newline", true) then puts text
  else print text
  end
  args
end

Workman.task("kit.exit") { |args| exit args["code"] }

Workman.task("kit.progress") do |_args, job|
  3.times { |step| job.progress(step + 1, 3, "step") }
  job.data({row: 1})
  job.data("\xFF".b, warn: true)
  job.log("hello", :warn, n: 1)
  job.heartbeat(extend: 2.5)
  nil
end

Workman.task("kit.enqueue") do |args, job|
  next job.enqueue("kit.echo", 1, unique: "u", now: true) if args && args["now"]

  job.enqueue("kit.echo", {n: 1}, delay: 1.5, priority: "low", unique: "u", max_attempts: 2)
  job.enqueue("kit.echo", "\xFF".b)
  nil
end

Workman.task("kit.chain") do |_args, job|
  job.enqueue("kit.echo", "with the outcome")
  job.enqueue("kit.echo", "at once", now: true)
end

Workman.task("kit.bytes", payload: "base64") do |args|
  args.is_a?(String) ? args : Array.new(args["n"]) { |i| i % 256 }.pack("C*")
end

Workman.task("kit.nan") { |args| {n: args == "object" ? Object.new : Float::NAN} }

Workman.task("kit.orphan") { |args| Process.detach(spawn("sleep", args["s"].to_s)).pid }

Workman.task("kit.fork") do
  pid = fork
  Process.wait(pid) if pid
  {parent: !pid.nil?}
end

Workman.task("kit.cancelled") do |_args, job|
  job.progress(0)
  sleep 0.005 until job.cancelled?
  raise Workman::Abort.new("cancelled", requeue: true)
end

# Turns the interruption into an error of its own, or into nothing.
Workman.task("kit.swallow", on_abort: MARKER) do |args, job|
  job.progress(0)
  sleep args["s"]
rescue Exception # rubocop:disable Lint/RescueException
  raise ArgumentError, "wrapped" unless args["quiet"]
end

# Its hook raises.
Workman.task("kit.rude", on_abort: ->(_job, error) { error.nothing }) do |args, job|
  job.progress(0)
  sleep args["s"]
end

Workman.task("kit.threads") do |args, job|
  Array.new(4) { Thread.new { 5.times { job.data("x" * args["n"]) } } }.each(&:join)
  nil
end

Workman.task("kit.context") do |_args, job|
  {attempt: job.attempt, max_attempts: job.max_attempts, deadline: job.deadline&.to_f, left: job.remaining,
   config: job.config, stdin: $stdin.read, environment: ENV.key?("WORKMAN")}
end

Workman.after_fork { warn "after_fork" }

Workman.serve(load: ENV.fetch("KIT_LOAD", "").split, cancel: true) do
  tasks = ENV["WORKMAN_KIT_TASKS"]
  File.readlines(tasks, chomp: true).each { |name| Workman.task(name) { |args| args } } if tasks
end
