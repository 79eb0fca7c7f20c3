# frozen_string_literal: true

module Workman
  # The part of a worker that serves its job while the job runs: what it says, and what it asks for.
  module Requests
    def say(text, job)
      return tell(text, job) unless Thread.current == Thread.main

      @guard += 1
      Thread.handle_interrupt(Object => :never) { tell(text, job) }
      unguard
    end

    # Looks at what has come, and leaves it where it is.
    def cancel_reason(job)
      nil while @supervised && fill(0)
      @lines.each do |line|
        next unless line.include?('"cancel"') && line.include?(job.id)

        message = parse(line)
        return message["reason"] || "shutdown" if message && message["type"] == "cancel" && message["id"] == job.id
      end
      nil
    end

    def enqueue_now(spec)
      unless @supervised && Thread.current == Thread.main
        raise Refused, "a reply comes only to a worker of a daemon, and to its main thread"
      end

      ref, seen = "r#{@refs += 1}", 0
      say(%({"type":"enqueue",#{spec},"ref":"#{ref}"}), nil)
      loop do
        (seen...@lines.size).each do |index|
          message = parse(@lines[index]) if @lines[index].include?('"reply"')
          next unless message && message["type"] == "reply" && message["id"] == ref

          @lines.delete_at(index)
          return message["result"] if message["ok"]

          raise Refused, message.dig("error", "message") || "no reason given"
        end
        seen = @lines.size
        raise Refused, "the daemon has gone" if @eof

        fill
      end
    end
  end
end
