# frozen_string_literal: true

require "socket"

module Workman
  # The process that workers are forked from (preload: true): loaded once, without jobs of its own.
  # Included in a Worker that was asked to be one.
  module Template
    PR_SET_PDEATHSIG = 1

    begin
      require "fiddle"
      long = Fiddle::TYPE_LONG
      PRCTL = Fiddle::Function.new(Fiddle::Handle::DEFAULT["prctl"], [Fiddle::TYPE_INT] + [long] * 4, Fiddle::TYPE_INT)
    rescue LoadError, Fiddle::DLError
      PRCTL = nil # The end of the input has to do.
    end

    # Forks a worker for each `fork` that comes, and returns in that worker. The template itself ends
    # in here, when the daemon closes its input.
    def be_template(ready)
      tell(ready)
      @state = :idle
      3.times { GC.start } # What is old stays where it is: its pages are shared.
      loop do
        while (line = @lines.shift)
          message = parse(line)
          return if message && message["type"] == "fork" && fork_worker(message)
        end
        exit!(0) if @eof || @drain
        read
      end
    end

    # True in the new worker. It is a grandchild whose parent has ended, so that it becomes a child of
    # the daemon, which alone waits for it.
    def fork_worker(message)
      fire(:before_fork)
      [$stdout, $stderr].each(&:flush)
      daemon, (ours, theirs) = Process.ppid, IO.pipe
      @forking = true
      begin
        middle = fork
      rescue SystemCallError => error
        [ours, theirs].each(&:close)
        return refuse(message, "fork: #{error.message}")
      ensure
        @forking = false
      end
      return new_worker(message, daemon, theirs) unless middle

      theirs.close
      why = ours.read # Its end: the worker is connected.
      ours.close
      Process.wait(middle)
      why.empty? ? false : refuse(message, why)
    end

    def refuse(message, why)
      tell(Text.json({type: "exited", token: message["token"], why: why}))
      false
    end

    def new_worker(message, daemon, theirs)
      @forking = true
      exit!(0) if fork
      @forking, @state = false, :booting
      attach(message, daemon)
      theirs.close
      true
    rescue Exception => error
      theirs.write("#{error.class}: #{error.message}")
      exit!(1)
    end

    # Makes a worker of this process: a child of the daemon, with descriptors of its own.
    def attach(message, daemon)
      middle = Process.ppid
      sleep(0.0002) while Process.ppid == middle && middle != daemon
      Process.setsid
      PRCTL&.call(PR_SET_PDEATHSIG, Signal.list["KILL"], 0, 0, 0)
      exit!(1) if Process.ppid != daemon
      ENV["WORKMAN_WORKER"] = message["worker"]
      if message["stderr"]
        err = connect(message, stream: "stderr")
        [STDERR, STDOUT].each { |stream| stream.reopen(err).sync = true }
        err.close
      end
      start_afresh(connect(message))
    end

    def connect(message, **more)
      channel = UNIXSocket.new(message["socket"])
      channel.write("#{Text.json({type: "attach", token: message["token"], **more})}\n")
      channel
    end

    # Plain IO, which can be reopened as a pipe can.
    def start_afresh(channel)
      [@in, @out, @kept].compact.each(&:close)
      channel.autoclose = false
      @in, @out, @kept = IO.for_fd(channel.fileno, "rb"), IO.for_fd(channel.fileno, "wb").dup, nil
      [@in, @out].each { |io| io.binmode.close_on_exec = true }
      @out.sync = true
      @lines, @rest, @searched, @eof, @started, @drain = [], +"", 0, false, false, false
    end
  end
end
