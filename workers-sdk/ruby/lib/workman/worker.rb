# frozen_string_literal: true

require_relative "channel"
require_relative "outcomes"
require_relative "requests"
require_relative "signals"

module Workman
  # One process: its state, its signals and its jobs. There is one, made when this file is loaded.
  #
  # In :booting and :leaving SIGABRT ends the process, in :idle it drains, in :running it interrupts
  # the job. In :finishing and :aborting the outcome is on its way, and SIGABRT only drains.
  class Worker < Channel
    include Signals
    include Requests
    include Outcomes

    # forking: a worker is being forked, not a child of a job.
    attr_reader :hello, :supervised, :forking

    def self.now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def initialize
      super
      @state, @hello, @refs, @drain, @refuse, @pending = :booting, {}, 0, false, false, false
    end

    # Answers one job.
    def take(message)
      job = Job.new(self, message)
      task = Workman.tasks[job.task] || Workman.tasks["*"]
      outcome =
        if @drain || @refuse
          outcome("abort", job, Text.members(reason: "stopping", requeue: true))
        elsif task.nil?
          outcome("fail", job, Text.members(error: {message: "no task #{job.task} here", code: "task_not_found"}))
        else
          work(job, task)
        end
      exit!(0) if @child
      tell(outcome)
      job.closed = true
      @state = :idle
    rescue KeyError, ArgumentError, TypeError => error
      raise if job

      Text.note("a job that cannot be read: #{error.message}")
    end

    def handle(line)
      message = parse(line)
      return unreadable(line) if message.nil?

      case message["type"]
      when "job" then take(message)
      when "shutdown" then @refuse = true
      when "hello"
        @hello = message
        return if message.fetch("proto_min", 1) <= PROTOCOL

        Text.note("the daemon speaks no version #{PROTOCOL} of the protocol")
        exit!(78)
      end
    end

    # Not JSON, or JSON beyond Ruby, as a lone surrogate: then a job is answered.
    def unreadable(line)
      line = line.b
      return if line.strip.empty?

      Text.note("a line that cannot be read: #{line[0, 100].inspect}")
      return unless line =~ /\A\{"type":"job","id":"([0-9A-Za-z]+)".*\}\s*\z/mn

      error = {message: "Ruby cannot read these arguments", code: "unreadable_args"}
      tell(%({"type":"fail","id":"#{$1}"#{Text.members(error: error)}}))
    end

    def ready(cancel, **more)
      Text.json(
        {type: "ready", proto: PROTOCOL, pid: Process.pid, signals: %w[TERM ABRT],
         sdk: {name: "workman-ruby", version: VERSION, lang: "ruby #{RUBY_VERSION}"},
         features: %w[enqueue extend] + (cancel ? ["cancel"] : []),
         tasks: Workman.tasks.values.map(&:announcement), **more})
    end

    # In a template: ends with it. In a worker: returns whether it was forked from a template.
    def preloaded?(cancel)
      waits = ENV.delete("WORKMAN_ZYGOTE")
      nil while @lines.empty? && !@eof && (fill(waits ? nil : 0) || waits)
      hello = @lines.empty? ? nil : parse(@lines.first)
      return false unless Array(hello&.fetch("features", nil)).include?("zygote")

      require_relative "template"
      extend Template
      be_template(ready(cancel, zygote: true))
      true
    end

    # Never returns.
    def serve(cancel)
      if Workman.tasks.empty?
        Text.note("there is no task: nothing was given to Workman.task, and no class is a Workman::Task")
        exit!(78)
      end
      fire(:after_fork) if preloaded?(cancel)
      fire(:on_boot)
      tell(ready(cancel))
      @state = :idle
      loop do
        while (line = @lines.shift)
          handle(line)
        end
        last = @drain # Looked at before the read: what came before the signal is answered.
        more = last ? fill(0) : read
        break if @lines.empty? && (@eof || (last && !more))
      end
      @state = :leaving
      fire(:on_exit)
      @killed ? exit!(0) : exit(0) # Behind a kill nobody waits for what the job left in at_exit.
    end
  end
end
