# frozen_string_literal: true

module Workman
  # The job that runs: what it is asked, and what it can say while it runs.
  class Job
    attr_reader :id, :task, :args, :attempt, :max_attempts, :queue, :follow_ups, :ends
    attr_accessor :closed

    def initialize(worker, message)
      @worker, @id, @task = worker, message.fetch("id"), message.fetch("task")
      @attempt, @max_attempts = message["attempt"] || 1, message["max_attempts"]
      @queue, @moment, limit = message["queue"], message["deadline_at"], message["timeout_ms"]
      @ends = Worker.now + limit / 1000.0 if limit&.positive?
      bytes = message["args_b64"]
      @args = bytes ? bytes.unpack1("m0") : message["args"]
      @follow_ups, @closed = [], false
    end

    # The `config:` block of the profile.
    def config = @worker.hello["config"] || {}

    # The time limit as a Time, or nil.
    def deadline = @moment && Time.at(@moment / 1000.0)

    # Seconds until the time limit, or nil.
    def remaining = @ends && @ends - Worker.now

    # Whether the daemon gave this job up; Workman.serve(cancel: true) makes it say so early.
    def cancelled? = !@worker.cancel_reason(self).nil?

    def progress(done, total = nil, message = nil)
      say("progress", Text.members(done: done, total: total, message: message))
    end

    # Sends a part of the result now, where the queue can.
    def data(value, warn: false)
      say("data", ",#{Text.payload("data", value)}#{',"warn":true' if warn}")
    end

    def log(message, level = :info, **fields)
      say("log", Text.members(level: level, message: Text.utf8(message.to_s),
                              fields: fields.empty? ? nil : fields))
    end

    # Says that the job is alive; extend: moves the time limit by so many seconds.
    def heartbeat(extend: nil)
      say("heartbeat", Text.members(extend_ms: Text.ms(extend)))
      @ends += extend if extend && @ends
    end

    # A new job. It goes onto the queue together with this job's outcome `done`, or, from a hook,
    # with the outcome of that hook. With now: true it goes at once: this returns what the queue
    # said, if anything, or raises Refused.
    def enqueue(task, args = nil, now: false, **options)
      text = Text.spec(task, args, **options)
      return @worker.enqueue_now(text) if now

      @follow_ups << "{#{text}}"
      nil
    end

    private

    def say(kind, rest)
      @worker.say(%({"type":"#{kind}","id":"#{@id}"#{rest}}), self)
      nil
    end
  end
end
