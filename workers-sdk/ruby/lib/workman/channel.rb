# frozen_string_literal: true

require "io/wait"
require "json"

module Workman
  # The two descriptors of a worker: whole lines in, whole lines out. Reads in the main thread alone,
  # writes in any. While @guard is not 0 an interruption waits: no line is torn, no input is lost.
  class Channel
    def initialize
      @lines, @rest, @searched, @eof, @started, @guard = [], +"", 0, false, false, 0
      @lock = Mutex.new
      @supervised = !ENV["WORKMAN"].to_s.empty?
      take_descriptors if @supervised
    end

    # Children do not inherit what is taken here, nor the word that they are workers.
    def take_descriptors
      ENV.delete("WORKMAN")
      input, output = ENV.delete("WORKMAN_IN"), ENV.delete("WORKMAN_OUT")
      @in = input ? IO.for_fd(input.to_i, "rb") : $stdin.dup
      @out = output ? IO.for_fd(output.to_i, "wb") : $stdout.dup
      [@in, @out].each { |io| io.binmode.close_on_exec = true }
      @out.sync = true
      STDIN.reopen(File::NULL)
      begin
        STDOUT.reopen(STDERR)
      rescue SystemCallError, IOError
        STDOUT.reopen(File::NULL, "w") # There is no stderr.
      end
      STDOUT.sync = true
    end

    # Writes a message. What a thread says of a job that has ended is dropped.
    def tell(text, job = nil)
      @lock.synchronize { @out.write(text << "\n") if @out && !job&.closed }
    rescue SystemCallError, IOError => error
      Text.note("cannot write to the daemon: #{error.message}")
      exit!(1)
    end

    # Waits for input (nil: without end) and keeps the whole lines. True if there was anything.
    def fill(timeout = nil)
      @in, @kept = @kept, nil if @kept
      return false if @eof || !@in.wait_readable(timeout)

      @guard += 1
      # The Timeout of a task must not cut this in two.
      Thread.handle_interrupt(Object => :never) { read }
      unguard
      true
    end

    def read
      chunk = @in.readpartial(1 << 16)
      unless @started
        @started = true
        chunk = chunk.byteslice(3..) if chunk.start_with?("\xEF\xBB\xBF".b)
      end
      if @rest.empty? && chunk.index("\n") == chunk.bytesize - 1
        @lines << chunk
      else
        @rest << chunk
        split
      end
      true
    rescue EOFError
      @eof = true unless @kept
    end

    # A long line comes in many chunks: what was searched is not searched again.
    def split
      start = 0
      while (found = @rest.index("\n", @searched))
        @lines << @rest.byteslice(start..found)
        start = @searched = found + 1
      end
      @rest = @rest.byteslice(start..) if start > 0
      @searched = @rest.bytesize
    end

    # The message of a line as a hash, or nil.
    def parse(line)
      message = Text.value(line.force_encoding(Encoding::UTF_8))
      message if message.is_a?(Hash)
    rescue JSON::ParserError, EncodingError
      nil
    end
  end
end
