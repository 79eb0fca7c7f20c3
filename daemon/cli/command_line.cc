#include "daemon/cli/command_line.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "daemon/admin/verbs.h"
#include "daemon/cli/bulk.h"
#include "daemon/cli/control.h"
#include "daemon/cli/enqueue.h"
#include "daemon/cli/failed.h"
#include "daemon/cli/queue_init.h"
#include "daemon/cli/test_queue.h"
#include "daemon/cli/worker_words.h"
#include "daemon/profile/units.h"

namespace workmand::cli {
namespace {

/// Filled in while the arguments are read; CLI11 holds references into it.
struct Words {
  std::string profile;
  EnqueueOptions enqueue;
  std::string from;
  std::string delay;
  std::string timeout;
  std::string priority = "normal";
  bool as_json = false;
  int workers = 0;
  std::string id;
  LetterChoice letters;
  std::string only;
  std::vector<std::string> helper;  ///< of test-queue: it runs itself
  /// The command that was chosen.
  std::function<ExitCode()> run;
};

/// For CLI11: "" where `text` is a length of time that fits, else what is wrong with it.
std::string CheckDuration(const std::string& text, bool zero_fits, bool infinity_fits) {
  const Result<Duration> duration = ParseDuration(text);
  if (!duration) return duration.error().message;
  if (*duration == Duration{0} && !zero_fits) return "must be above 0 (got " + text + ")";
  if (*duration == kInfinite && !infinity_fits) return "must have an end (got " + text + ")";
  return {};
}

std::string CheckPriority(const std::string& text) {
  return ParsePriority(text) ? "" : "must be high, normal or low (got " + text + ")";
}

CLI::App* AddCommand(CLI::App& app, Words& words, const std::string& name,
                     const std::string& description) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("-p,--profile", words.profile, "the profile, a YAML file")
      ->required()
      ->type_name("PROFILE.yaml");
  return command;
}

ExitCode RunEnqueueWords(Words& words) {
  EnqueueOptions& options = words.enqueue;
  options.profile = words.profile;
  options.job.priority = ParsePriority(words.priority).value_or(Priority::kNormal);
  // Both were checked while the arguments were read.
  if (!words.delay.empty()) options.job.delay = ParseDuration(words.delay).value_or(Duration{0});
  if (!words.timeout.empty()) options.timeout = ParseDuration(words.timeout).value_or(kInfinite);
  return RunEnqueue(std::move(options));
}

void AddEnqueue(CLI::App& app, Words& words) {
  CLI::App* command = AddCommand(app, words, "enqueue", "Put a job on the profile's queue");
  CLI::Option* task = command->add_option("TASK", words.enqueue.job.task, "what to run");
  const std::vector<CLI::Option*> of_one_job = {
      task,
      command->add_option_function<std::string>(
          "JSON", [&words](const std::string& text) { words.enqueue.arguments = text; },
          "its arguments; without them, or with -, they are read from stdin"),
      command->add_option("--delay", words.delay, "run it no sooner than this, e.g. 5s")
          ->type_name("TIME")
          ->check([](const std::string& text) { return CheckDuration(text, true, false); }),
      command->add_option("--priority", words.priority, "high, normal or low")
          ->type_name("WORD")
          ->check(CheckPriority),
      command->add_option("--unique", words.enqueue.job.unique, "one job with this key at a time")
          ->type_name("KEY"),
      command->add_option("--max-attempts", words.enqueue.job.max_attempts, "give up after so many")
          ->type_name("N")
          ->check(CLI::Range(1, 1'000'000)),
      command->add_flag("--wait", words.enqueue.wait, "wait for the result and print it"),
      command->add_option("--timeout", words.timeout, "wait no longer than this, e.g. 30s")
          ->type_name("TIME")
          ->needs("--wait")
          ->check([](const std::string& text) { return CheckDuration(text, false, true); }),
  };
  const CLI::Option* from =
      command
          ->add_option("--from", words.from,
                       "many jobs, one {\"task\":…,\"args\":…} a line; - is stdin")
          ->type_name("FILE");
  command->final_callback([&words, task, from, of_one_job] {
    for (const CLI::Option* option : of_one_job) {
      if (from->count() > 0 && option->count() > 0) {
        throw CLI::ValidationError("--from goes without " + option->get_name());
      }
    }
    if (from->count() == 0 && (task->count() == 0 || words.enqueue.job.task.empty())) {
      throw CLI::ValidationError("enqueue needs a TASK, or --from FILE");
    }
    const bool bulk = from->count() > 0;
    words.run = [&words, bulk] {
      return bulk ? RunBulk({words.profile, words.from}) : RunEnqueueWords(words);
    };
  });
}

void AddControl(CLI::App& app, Words& words) {
  CLI::App* status = AddCommand(app, words, "status", "Show what the daemon is doing");
  status->add_flag("--json", words.as_json, "as one stable JSON object");
  status->final_callback(
      [&words] { words.run = [&words] { return RunStatus(words.profile, words.as_json); }; });
  struct Simple {
    const char* name;
    const char* description;
    ExitCode (*run)(const std::string& profile);
  };
  constexpr std::array kSimple = {
      Simple{"workers", "List the workers alone", RunWorkers},
      Simple{"pause", "Take no more jobs; running ones go on", RunPause},
      Simple{"resume", "Take jobs again", RunResume},
      Simple{"reload", "Re-read the profile, replace the workers, wait for the outcome", RunReload},
      Simple{"stop", "Stop gracefully and wait until the daemon has gone", RunStop},
  };
  for (const Simple& simple : kSimple) {
    AddCommand(app, words, simple.name, simple.description)->final_callback([&words, simple] {
      words.run = [&words, run = simple.run] { return run(words.profile); };
    });
  }
  CLI::App* scale = AddCommand(app, words, "scale", "Have N workers, until the next reload");
  scale->add_option("N", words.workers, "how many")->required()->check(CLI::Range(1, 10'000));
  scale->final_callback(
      [&words] { words.run = [&words] { return RunScale(words.profile, words.workers); }; });
}

/// `failed retry` and `failed drop`.
void AddLetterChange(CLI::App& failed, Words& words, const std::string& name,
                     const std::string& description,
                     ExitCode (*run)(const std::string&, const LetterChoice&)) {
  CLI::App* command = AddCommand(failed, words, name, description);
  const CLI::Option* ids =
      command->add_option("ID", words.letters.ids, "the ids, as failed list shows them");
  command->add_flag("--all", words.letters.all, "all that there are");
  command->final_callback([&words, ids, run] {
    if (words.letters.all == (ids->count() > 0)) {
      throw CLI::ValidationError("either the IDs of dead letters, or --all");
    }
    words.run = [&words, run] { return run(words.profile, words.letters); };
  });
}

void AddFailed(CLI::App& app, Words& words) {
  CLI::App* failed = app.add_subcommand("failed", "The dead letters: jobs that failed for good");
  failed->require_subcommand(1);
  CLI::App* list = AddCommand(*failed, words, "list", "List them, the newest first");
  list->add_flag("--json", words.as_json, "one JSON object a line, without the arguments");
  list->final_callback(
      [&words] { words.run = [&words] { return RunFailedList(words.profile, words.as_json); }; });
  CLI::App* show = AddCommand(*failed, words, "show", "Show one with its error and arguments");
  show->add_option("ID", words.id, "its id, as failed list shows it")->required();
  show->add_flag("--json", words.as_json, "as one JSON object");
  show->final_callback([&words] {
    words.run = [&words] { return RunFailedShow(words.profile, words.id, words.as_json); };
  });
  AddLetterChange(*failed, words, "retry", "Put them back on the queue as new jobs",
                  RunFailedRetry);
  AddLetterChange(*failed, words, "drop", "Delete them", RunFailedDrop);
}

void AddQueue(CLI::App& app, Words& words) {
  CLI::App* queue = app.add_subcommand("queue", "The profile's queue itself");
  queue->require_subcommand(1);
  CLI::App* init =
      AddCommand(*queue, words, "init", "Make the tables it needs, where it needs any");
  init->final_callback([&words] { words.run = [&words] { return RunQueueInit(words.profile); }; });
}

void AddTestQueue(CLI::App& app, Words& words) {
  CLI::App* command = AddCommand(app, words, "test-queue",
                                 "Try whether the queue keeps its promises, with jobs of its own");
  command
      ->add_option("--only", words.only,
                   "the case with this number, or those with this in their name")
      ->type_name("N");
  command->add_option("--helper", words.helper)
      ->group("");  // for itself, so without a word of help
  command->final_callback([&words] {
    words.run = [&words] {
      return words.helper.empty() ? RunTestQueue(words.profile, words.only)
                                  : RunTestQueueHelper(words.profile, words.helper);
    };
  });
}

/// Words that have a meaning to come are refused with a sentence of their own, whatever follows.
bool IsToCome(std::string_view word) {
  constexpr std::array<std::string_view, 2> kToCome = {"top", "why"};
  return std::ranges::find(kToCome, word) != kToCome.end();
}

std::string UsageMessage(const CLI::App* app, const CLI::Error& error) {
  std::string command = "workman";
  for (const CLI::App* at = app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  std::string sentence = error.what();
  const std::vector<std::string> unknown = app->remaining();
  if (app->get_subcommands().empty() && !unknown.empty()) {
    const std::string& word = unknown.front();
    sentence =
        "there is no " + std::string(word.rfind('-', 0) == 0 ? "option " : "command ") + word;
  }
  return "workman: " + sentence + "\nTry: " + command + " --help\n";
}

}  // namespace

ExitCode RunCommandLine(int argc, const char* const* argv) {
  if (argc > 1 && IsToCome(argv[1])) {
    Complain(std::string(argv[1]) + ": this version has no such command yet");
    return ExitCode::kUsage;
  }
  CLI::App app("Puts jobs on a profile's queue and talks to its running daemon.", "workman");
  Words words;
  app.set_version_flag("--version", "workman " WORKMAND_VERSION);
  app.require_subcommand(1);
  app.failure_message(UsageMessage);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 bad profile, 64 wrong usage, 124 timed out.\n"
      "workman COMMAND --help tells more.");
  AddEnqueue(app, words);
  AddControl(app, words);
  AddFailed(app, words);
  AddQueue(app, words);
  AddTestQueue(app, words);
  AddTestWorker(app, words.run);
  AddRun(app, words.run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::kOk : ExitCode::kUsage;
  }
  return words.run();
}

}  // namespace workmand::cli
