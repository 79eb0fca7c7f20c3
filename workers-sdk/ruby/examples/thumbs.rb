#!/usr/bin/env ruby
# frozen_string_literal: true

# Two tasks: a block and a class. Try it: ruby thumbs.rb --run resize '{"file": "a.png"}'

require_relative "../lib/workman"

Workman.task(:resize, timeout: 30, max_attempts: 4, backoff: [1, 60]) do |args, job|
  raise Workman::Permanent.new("no file is named", code: "bad_args") unless args["file"]

  job.progress(1, 2)
  job.enqueue("Report", {file: args["file"]}, delay: 60)
  {file: args["file"], width: args.fetch("width", 200)}
end.on_abort do |job, error|
  # The worker must stop before the job could end: put it back with a mark, once.
  job.enqueue("resize", {**job.args, interrupted: error.reason})
  false # It went back by itself; the daemon need not do it.
end

class Report < Workman::Task
  options timeout: 600

  def run(args, job)
    job.log("a report", file: args["file"])
    nil
  end

  def on_fail(job, _error)
    job.log("attempt #{job.attempt} failed", :warn)
  end
end

Workman.serve
