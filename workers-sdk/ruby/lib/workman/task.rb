# frozen_string_literal: true

module Workman
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
end
