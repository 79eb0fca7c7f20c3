# frozen_string_literal: true

module Workman
  # The job failed. code and data go to the queue with the message; after is in seconds.
  class Failure < StandardError
    attr_reader :code, :data, :after

    def initialize(message = nil, code: nil, data: nil, after: nil)
      super(message)
      @code, @data, @after = code, data, after
    end

    def retry? = nil
  end

  # Try again, `after` so many seconds (nil: the back-off), never beyond max_attempts.
  class Retry < Failure
    def retry? = true
  end

  # No further try can help.
  class Permanent < Failure
    def retry? = false
  end

  # Not done, give it back: no attempt is counted. requeue: nil leaves it to the policy.
  class Abort < StandardError
    attr_reader :requeue, :after

    def initialize(reason = "given back by the task", requeue: nil, after: nil)
      super(reason)
      @requeue, @after = requeue, after
    end
  end

  # The daemon did not take an enqueue(…, now: true).
  class Refused < StandardError; end

  # Raised in the running job by SIGABRT; no StandardError, so that a bare rescue lets it through.
  # reason is "timeout", "shutdown" or "revoked".
  class ForceKilled < Exception
    attr_accessor :reason
  end
end
