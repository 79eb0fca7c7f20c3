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

module Workman
  VERSION = "0.1.0"
  PROTOCOL = 1
  HOOKS = %i[on_boot on_exit before_fork after_fork on_start on_done on_fail on_abort].freeze

  autoload :Client, "#{__dir__}/workman/client.rb"
  autoload :ClientError, "#{__dir__}/workman/client.rb"
  autoload :JobFailed, "#{__dir__}/workman/client.rb"
  autoload :NoDaemon, "#{__dir__}/workman/client.rb"
  autoload :WaitTimeout, "#{__dir__}/workman/client.rb"
  autoload :ByHand, "#{__dir__}/workman/by_hand.rb"

  # The frames of a stack that are ours, and so are not shown.
  FILES = [__FILE__, "#{__dir__}/workman/"].freeze

  require_relative "workman/errors"
  require_relative "workman/text"
  require_relative "workman/task"
  require_relative "workman/job"
  require_relative "workman/worker"

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
