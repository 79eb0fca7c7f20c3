# frozen_string_literal: true

module Workman
  # What a worker does that no daemon started: it says what it is, lists its tasks, or runs one.
  module ByHand
    USAGE = <<~TEXT
      %<program>s is a worker: workmand starts it and hands it jobs. In a profile:

        command: [ruby, %<program>s]

      By hand:

        %<program>s --list             prints the names of its tasks
        %<program>s --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails
    TEXT

    module_function

    # Never returns.
    def main(worker)
      case ARGV
      in ["--list"] then puts Workman.tasks.keys
      in ["--run", task] then run(worker, task, "null")
      in ["--run", task, json] then run(worker, task, json)
      in [] | ["--help"] then puts format(USAGE, program: $PROGRAM_NAME)
      else
        $stderr.puts format(USAGE, program: $PROGRAM_NAME)
        exit 64
      end
      exit 0
    end

    def run(worker, name, json)
      task = Workman.tasks[name] or abort "no task #{name} here; --list tells which there are"
      args = Text.value(json)
      worker.define_singleton_method(:tell) { |line, _job = nil| $stderr.puts line }
      worker.fire(:on_boot)
      job = Job.new(worker, {"id" => "ByHand000000", "task" => name, "args" => args})
      outcome = worker.parse(worker.work(job, task))
      worker.fire(:on_exit)
      tell(outcome)
    rescue JSON::ParserError => error
      abort "the arguments are not JSON: #{error.message}"
    end

    def tell(outcome)
      unless outcome["type"] == "done"
        error = outcome["error"] || {"message" => outcome["reason"]}
        abort [error["trace"], "#{outcome["type"]}: #{error["message"]}"].compact.join("\n")
      end
      (outcome["enqueue"] || []).each { |job| $stderr.puts "would enqueue #{JSON.generate(job)}" }
      puts JSON.generate(outcome.fetch("result") { outcome["result_b64"] })
    end
  end
end
