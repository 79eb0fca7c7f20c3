# frozen_string_literal: true

# Workers for workmand in Ruby 3.1 or later; the standard library is enough.
#
#   require "workman"
#   Workman.task(:resize, timeout: 30) { |args, job| {ok: true} }
#   Workman.serve
#
# Jobs run one at a time in the main thread, where SIGABRT can interrupt them. In a worker, this
# file points descriptor 1 at stderr and stdin at /dev/null, so that no print and no child can
# damage the protocol; elsewhere it touches nothing. README.md has the rest.

require "io/wait"
require "json"

module Workman
  VERSION = "0.1.0"
  PROTOCOL = 1
  HOOKS = %i[on_boot on_exit after_fork on_start on_done on_fail on_abort].freeze

  autoload :Client, "#{__dir__}/workman/client.rb"
  autoload :ClientError, "#{__dir__}/workman/client.rb"
  autoload :JobFailed, "#{__dir__}/workman/client.rb"
  autoload :NoDaemon, "#{__dir__}/workman/client.rb"
  autoload :WaitTimeout, "#{__dir__}/workman/client.rb"
  autoload :ByHand, "#{__dir__}/workman/by_hand.rb"

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

  # JSON as the protocol wants it.
  module Text
    UNSERIALISABLE = [JSON::GeneratorError, JSON::NestingError, EncodingError, TypeError].freeze
    NESTING = {max_nesting: 510}.freeze
    HERE = [__FILE__, "#{__dir__}/workman/"].freeze

    module_function

    # To parse with options takes a third longer, and few messages are nested 100 levels deep.
    def value(json)
      JSON::Parser.new(json).parse
    rescue JSON::NestingError
      JSON.parse(json, max_nesting: 600)
    end

    def ms(seconds) = seconds && [0, (seconds * 1000).round].max

    # A member that carries a value: a binary string as base64, anything else as JSON.
    def payload(name, value)
      return %("#{name}_b64":"#{[value].pack("m0")}") if binary?(value)

      %("#{name}":#{json(value)})
    end

    def binary?(value) = value.is_a?(String) && value.encoding == Encoding::BINARY

    # A generator costs more than what it generates, so it is used again; not behind an error, which
    # leaves it wrong, and not by two threads.
    def json(value)
      generator, @generator = @generator || JSON::State.new(NESTING), nil
      text = generator.generate(value)
      @generator = generator
      # to_s stands in for objects that JSON has no words for. What it makes of an object without
      # one of its own is of use to nobody.
      raise TypeError, "an object is no JSON" if text.include?('"#<') && opaque?(value)

      text
    end

    def opaque?(value)
      case value
      when String, Symbol, Numeric, nil, true, false then false
      when Array then value.any? { |element| opaque?(element) }
      when Hash then value.any? { |key, element| opaque?(key) || opaque?(element) }
      else value.method(:to_s).owner == Kernel && value.method(:to_json).owner.name.start_with?("JSON::")
      end
    end

    # JSON members, each with a comma before it; those without a value are left out.
    def members(**members)
      members.compact.map { |key, value| %(,"#{key}":#{json(value)}) }.join
    end

    def utf8(text)
      text.encoding == Encoding::UTF_8 || text.encoding == Encoding::BINARY ?
        text.dup.force_encoding(Encoding::UTF_8).scrub : text.encode("UTF-8", invalid: :replace, undef: :replace)
    end

    # The frames that are not ours, as text.
    def stack(frames)
      (frames || []).reject { |frame| frame.start_with?(*HERE) }.join("\n")
    end

    def spec(task, args, delay: nil, priority: nil, unique: nil, max_attempts: nil)
      %("task":#{json(task.to_s)},#{payload("args", args)}) +
        members(delay_ms: ms(delay), priority: priority, unique: unique, max_attempts: max_attempts)
    end

    def note(text)
      $stderr.write("<4>workman: #{text}\n")
    rescue SystemCallError, IOError
      nil # There is no stderr.
    end
  end

  # What a task is to the worker. A subclass with a method run(args, job) is a task of the class's
  # name; its hooks are methods: on_start(job), on_done(job, result), on_fail(job, error) and
  # on_abort(job, error), which says by true or false whether the job goes back.
  class Task
    OPTIONS = %i[name timeout stall max_attempts limit backoff payload desc on_abort].freeze
    @classes = []

    class << self
      attr_reader :classes

      def inherited(made)
        super
        Task.classes << made
      end

      # For the daemon (the profile wins): timeout and stall in seconds, max_attempts, limit,
      # backoff (seconds, or [first, most] to grow from one to the other), payload, desc, name, and
      # on_abort, the policy of an abort that no hook decides: "requeue", "fail" or "drop".
      def options(**given)
        Task.check(given)
        @options = (@options || {}).merge(given)
      end

      def all_options
        (self == Task ? {} : superclass.all_options).merge(@options || {})
      end

      def check(given)
        unknown = given.keys - OPTIONS
        raise ArgumentError, "unknown option of a task: #{unknown.join(", ")}" unless unknown.empty?
      end
    end

    def name = (self.class.all_options[:name] || self.class.name).to_s
    def options = self.class.all_options
    def hook(name) = respond_to?(name) ? method(name) : nil

    # What `ready` says of this task.
    def announcement
      given = options
      said = {timeout_ms: Text.ms(given[:timeout]), stall_ms: Text.ms(given[:stall]), limit: given[:limit],
              max_attempts: given[:max_attempts], payload: given[:payload], desc: given[:desc],
              backoff: backoff(given[:backoff]), on_abort: given[:on_abort]}.compact
      said.empty? ? name : {name: name, **said}
    end

    def backoff(given)
      case given
      when Numeric then {kind: "const", base_ms: Text.ms(given)}
      when Array, Range then {kind: "exp", base_ms: Text.ms(given.first), max_ms: Text.ms(given.to_a.last)}
      end
    end
  end

  # What Workman.task makes of a block. Hooks are given by on_abort { |job, error| … } and so on,
  # which return the task: they can be chained.
  class BlockTask < Task
    attr_reader :name, :options

    def initialize(name, options, block)
      super()
      Task.check(options)
      @name, @block, @hooks = name.to_s, block, {}
      @hooks[:on_abort] = options.delete(:on_abort) if options[:on_abort].respond_to?(:call)
      @options = options
    end

    def run(args, job) = @block.call(args, job)
    def hook(name) = @hooks[name]

    HOOKS.drop(3).each do |name|
      define_method(name) do |&block|
        @hooks[name] = block
        self
      end
    end
  end
  Task.classes.clear

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

  # One process: its state, its signals and its jobs. There is one, made when this file is loaded.
  #
  # In :booting and :leaving SIGABRT ends the process, in :idle it drains, in :running it interrupts
  # the job. In :finishing and :aborting the outcome is on its way, and SIGABRT only drains.
  class Worker < Channel
    attr_reader :hello, :supervised

    def self.now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def initialize
      super
      @state, @hello, @refs, @drain, @refuse, @pending = :booting, {}, 0, false, false, false
    end

    # ---- signals ----

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
        Workman.worker.forked if pid.zero?
        pid
      end
    end

    def forked
      %w[INT TERM HUP ABRT].each { |name| trap(name, "DEFAULT") }
      [@in, @out, @kept].compact.each(&:close)
      @out, @state, @child, @lock = nil, :leaving, true, Mutex.new
      fire(:after_fork)
    end

    # ---- what a job may ask for ----

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

    # ---- one job ----

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

    # ---- the loop ----

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

    def ready(cancel)
      tell(Text.json(
        {type: "ready", proto: PROTOCOL, pid: Process.pid, signals: %w[TERM ABRT],
         sdk: {name: "workman-ruby", version: VERSION, lang: "ruby #{RUBY_VERSION}"},
         features: %w[enqueue extend] + (cancel ? ["cancel"] : []),
         tasks: Workman.tasks.values.map(&:announcement)}))
    end

    # Never returns.
    def serve(cancel)
      if Workman.tasks.empty?
        Text.note("there is no task: nothing was given to Workman.task, and no class is a Workman::Task")
        exit!(78)
      end
      fire(:on_boot)
      ready(cancel)
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

  @tasks, @hooks, @worker = {}, HOOKS.to_h { |name| [name, []] }, Worker.new

  class << self
    attr_reader :tasks, :hooks, :worker

    # Makes a task of a block { |args, job| … } and returns it. Its options are those of Task.options.
    def task(name, **options, &block)
      raise ArgumentError, "the task #{name} has no block" unless block

      @tasks[name.to_s] = BlockTask.new(name, options, block)
    end

    # Hooks of the process, and of every task before its own: Workman.on_done { |job, result| … }
    HOOKS.each { |name| define_method(name) { |&block| @hooks[name] << block } }

    # Runs the worker and never returns. load: files of tasks, relative to the program's folder; they
    # and the block are loaded in the worker, so a restart takes the new code. cancel: the daemon says
    # early that a job is cancelled and waits 1 s before it interrupts; for tasks that look at
    # job.cancelled?
    def serve(load: nil, cancel: false)
      @worker.watch_signals if @worker.supervised
      Array(load).each { |file| Kernel.load(File.expand_path(file, File.dirname($PROGRAM_NAME))) }
      yield if block_given?
      Task.classes.select { |made| made.name && made.method_defined?(:run) }.each do |made|
        task = made.new
        @tasks[task.name] = task
      end
      @worker.supervised ? @worker.serve(cancel) : ByHand.main(@worker)
    end
  end
end
