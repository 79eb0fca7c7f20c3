# frozen_string_literal: true

require "json"
require "socket"

module Workman
  # The daemon refused the request; the message is its sentence.
  class ClientError < StandardError; end

  # No daemon answers; the message names every path that was tried.
  class NoDaemon < ClientError; end

  # The time to wait for a result is over; the job goes on.
  class WaitTimeout < ClientError; end

  # The job's final outcome is a failure; `failure` is its whole error object.
  class JobFailed < ClientError
    attr_reader :failure

    def initialize(message, failure)
      super(message)
      @failure = failure
    end
  end

  # The producer: puts jobs on a profile's queue through the daemon's control socket, whatever queue
  # that is. Client.new("thumbs") or Client.new(socket: "/run/workman/thumbs.sock"); in a worker,
  # Client.new means its own daemon's profile. It connects for each request, so threads and forks
  # may share it.
  class Client
    def initialize(profile = ENV["WORKMAN_PROFILE"], socket: nil)
      raise ArgumentError, "give a profile's name or socket: PATH" unless profile || socket

      @profile, @socket = profile, socket
    end

    # Puts a job on the queue and returns the queue's id of it. delay is in seconds, priority is
    # "high", "normal" or "low"; a job with the unique key of a waiting one is not added.
    def enqueue(task, args = nil, **options)
      ask(%({"verb":"enqueue",#{Text.spec(task, args, **options)}}))["id"]
    end
    alias enqueue_background enqueue

    # Waits for the final outcome, retries included, and returns the result. Raises JobFailed, or
    # WaitTimeout after `timeout` seconds: the job goes on then.
    def enqueue_with_wait(task, args = nil, timeout: nil, **options)
      wanted = %({"verb":"enqueue",#{Text.spec(task, args, **options)},"wait":true)
      reply = ask("#{wanted}#{Text.members(timeout_ms: Text.ms(timeout))}}")
      reply.key?("result_b64") ? reply["result_b64"].unpack1("m0") : reply["result"]
    end

    def status = ask('{"verb":"status"}')["status"]

    private

    # One request of the control socket, one reply.
    def ask(line)
      answer = connect do |socket|
        socket.write("#{line}\n")
        socket.gets
      rescue SystemCallError => error
        raise ClientError, "the daemon broke off: #{error.message}"
      end
      unless answer&.end_with?("\n")
        raise ClientError, "the daemon has gone before it answered; nobody knows what became of the request"
      end

      judge(Text.value(answer))
    end

    def judge(reply)
      return reply if reply["ok"]
      raise WaitTimeout, reply["error"] || "the wait ran out; the job goes on" if reply["timeout"]
      raise JobFailed.new(reply["error"] || "failed", reply["failure"]) if reply.key?("failure")

      raise ClientError, reply["error"] || "refused"
    end

    def paths
      return [@socket] if @socket

      folders = ["/run/workman"]
      folders << "#{ENV["XDG_RUNTIME_DIR"]}/workman" unless ENV["XDG_RUNTIME_DIR"].to_s.empty?
      folders << "/tmp/workman-#{Process.uid}"
      folders.map { |folder| "#{folder}/#{@profile}.sock" }
    end

    def connect
      tried = paths.map do |path|
        reason = distrust(path)
        socket = UNIXSocket.new(path) unless reason
        return yield(socket.tap { socket.set_encoding(Encoding::UTF_8) }) if socket

        "  #{path}: #{reason}"
      rescue Errno::ENOENT, Errno::ECONNREFUSED, Errno::EACCES, Errno::ENOTDIR => error
        "  #{path}: #{error.message[/\A[^@-]*[^@\s-]/]}"
      ensure
        socket&.close
      end
      raise NoDaemon, <<~TEXT.chomp
        no running daemon of the profile #{@profile || "behind this socket"} found; tried:
        #{tried.join("\n")}
        The daemon must run for this. Without it, the command line puts a job on the queue as well:
          workman enqueue -p PROFILE.yaml TASK 'JSON'
      TEXT
    end

    # A socket that somebody else could have put there gets no job of ours.
    def distrust(path)
      found = File.stat(path)
      return "it belongs to another user" unless [found.uid, 0].include?(Process.uid) || found.uid.zero?

      "everybody may write to it" if found.mode & 0o002 != 0
    end
  end
end
