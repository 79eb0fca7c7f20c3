# frozen_string_literal: true

module Workman
  # The part of a worker that runs a job and makes the one line that says what became of it.
  module Outcomes
    # Runs the hooks of this name, the task's own last, and returns what that one says.
    def fire(name, *arguments, task: nil)
      Workman.hooks[name].each { |hook| hook.call(*arguments) }
      task&.hook(name)&.call(*arguments)
    end

    def fire_safely(name, job, error, task)
      before = @state
      fire(name, job, error, task: task)
    rescue Exception => wrong # The outcome must go out, whatever a hook does,
      raise if @state != before # unless it was interrupted.

      Text.note("#{name} of #{job.task}: #{wrong.class}: #{wrong.message}")
      nil
    end

    # Runs the job and returns its outcome. The state decides what SIGABRT does meanwhile.
    def work(job, task)
      begin
        @state = :running
        outcome = attempt(job, task)
      ensure
        @state = :finishing if @state == :running
      end
      raise @killed if @state == :aborting # The task has caught it.

      outcome
    rescue Exception
      raise if @state != :aborting # exit in a task ends the worker without an outcome.

      aborted(job, task)
    end

    def attempt(job, task)
      fire(:on_start, job, task: task)
      result = task.run(job.args, job)
      exit!(0) if @child # A fork that came back from the task.
      fire(:on_done, job, result, task: task)
      done(job, task, result)
    rescue Abort => error
      job.follow_ups.clear
      outcome("abort", job, Text.members(reason: Text.utf8(error.message), requeue: error.requeue,
                                         delay_ms: Text.ms(error.after)))
    rescue Exception => error
      raise if @state == :aborting || @child || error.is_a?(SystemExit) || error.is_a?(SignalException)

      failed(job, task, error)
    end

    def done(job, task, result)
      body = result.nil? ? "" : ",#{Text.payload("result", result)}"
      limit = @hello["max_line"]
      size = job.follow_ups.sum(body.bytesize + 256, &:bytesize)
      if limit && size > limit
        error = Permanent.new("the result needs #{size} bytes, a line has #{limit}", code: "result_too_large")
        return failed(job, task, error)
      end
      outcome("done", job, body)
    rescue *Text::UNSERIALISABLE => error
      raise if @state == :aborting

      failed(job, task, error, "unserialisable_result")
    end

    def outcome(kind, job, rest)
      rest += %(,"enqueue":[#{job.follow_ups.join(",")}]) unless job.follow_ups.empty?
      %({"type":"#{kind}","id":"#{job.id}"#{rest}})
    end

    def failed(job, task, error, code = nil)
      job.follow_ups.clear
      fire_safely(:on_fail, job, error, task)
      said = {message: Text.utf8(error.message.to_s)[0, 65_536], class: error.class.name, code: code}
      if error.is_a?(Failure)
        said.update(code: error.code, data: error.data)
        rest = Text.members(retry: error.retry?, delay_ms: Text.ms(error.after))
      else
        trace = Text.stack(error.backtrace)
        said[:trace] = Text.utf8(trace) unless trace.empty?
      end
      begin
        outcome("fail", job, Text.members(error: said.compact) + rest.to_s)
      rescue *Text::UNSERIALISABLE
        outcome("fail", job, Text.members(error: {message: said[:message]}) + rest.to_s)
      end
    end

    # The hook first, then the line: the hook may enqueue the job itself.
    def aborted(job, task)
      job.follow_ups.clear
      late = job.ends && job.remaining <= 0
      @killed.reason = cancel_reason(job) || (late ? "timeout" : "shutdown")
      requeue = fire_safely(:on_abort, job, @killed, task)
      reason = "force killed (#{@killed.reason})\n#{Text.utf8(Text.stack(@killed.backtrace))}"
      Text.note("#{job.task} #{job.id} #{reason}")
      outcome("abort", job, Text.members(reason: reason, requeue: [true, false].include?(requeue) ? requeue : nil))
    end
  end
end
