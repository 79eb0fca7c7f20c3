# frozen_string_literal: true

module Workman
  # The part of a worker that signals run: who may be interrupted, and when.
  module Signals
    # Blocks, and not "IGNORE", which children would inherit. Ruby itself turns SIGPIPE into EPIPE.
    def watch_signals
      trap("INT") {}
      %w[TERM HUP].each { |name| trap(name) { leave } }
      trap("ABRT") { abort_rung }
      Process.singleton_class.prepend(Fork)
    end

    # An idle worker waits in read(2), which Ruby begins anew behind the handler. An exception would
    # wake it, but could strike when bytes have just been read; so the read is given an end to find,
    # and the pipe is kept for later.
    def leave
      @drain = true
      return if @state != :idle || @kept

      @kept = @in.dup
      @in.reopen(File::NULL, "rb")
    end

    def abort_rung
      exit!(0) if @state == :booting || @state == :leaving
      return leave unless @state == :running

      @drain = true
      @guard.zero? ? interrupt : @pending = true
    end

    def interrupt
      @state, @killed = :aborting, ForceKilled.new("force killed")
      raise @killed
    end

    def unguard
      @guard -= 1
      interrupt if @pending && @state == :running && @guard.zero?
    end

    # A child of a job is no worker, and as mortal as any process.
    module Fork
      def _fork
        pid = super
        Workman.worker.forked if pid.zero? && !Workman.worker.forking
        pid
      end
    end

    def forked
      %w[INT TERM HUP ABRT].each { |name| trap(name, "DEFAULT") }
      [@in, @out, @kept].compact.each(&:close)
      @out, @state, @child, @lock = nil, :leaving, true, Mutex.new
      fire(:after_fork)
    end
  end
end
