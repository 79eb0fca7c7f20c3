#include "daemon/cli/worker_words.h"

#include <memory>
#include <string>
#include <vector>

#include "daemon/cli/run.h"
#include "daemon/cli/test_worker.h"
#include "daemon/profile/units.h"
#include "protocol/json_slicer.h"

namespace workmand::cli {
namespace {

std::string CheckJson(const std::string& text) {
  return workman::protocol::IsJson(text, workman::protocol::kMaxPayloadDepth)
             ? ""
             : "must be JSON (got " + text + ")";
}

std::string CheckTimeLimit(const std::string& text) {
  const Result<Duration> limit = ParseDuration(text);
  if (!limit) return limit.error().message;
  return *limit == kInfinite ? "must have an end; 0 is no limit (got " + text + ")" : "";
}

}  // namespace

void AddTestWorker(CLI::App& app, std::function<ExitCode()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "test-worker", "Play the daemon for a worker and try whether it keeps the protocol");
  auto options = std::make_shared<KitOptions>();
  const auto cases = [command](const char* name, const char* text, std::set<std::string>& into) {
    command
        ->add_option_function<std::vector<std::string>>(
            name,
            [&into](const std::vector<std::string>& words) {
              into.insert(words.begin(), words.end());
            },
            text)
        ->delimiter(',')
        ->allow_extra_args(false)  // or it would take the words behind "--"
        ->type_name("N,…");
  };
  CLI::Option* args =
      command
          ->add_option_function<std::string>(
              "--args", [options](const std::string& text) { options->args = text; },
              "its arguments; without them it must return what it is given")
          ->type_name("JSON")
          ->check(CheckJson);
  command->add_option("--task", options->task, "one whose jobs succeed (kit.echo)")
      ->type_name("NAME");
  command
      ->add_option_function<std::string>(
          "--expect", [options](const std::string& text) { options->expect = text; },
          "its result with these arguments")
      ->type_name("JSON")
      ->check(CheckJson)
      ->needs(args);
  command->add_flag("--sdk", options->sdk, "what a worker should do, it must do");
  command->add_flag("--fixture", options->fixture, "it has the tasks kit.* of an SDK's own tests");
  cases("--xfail", "cases, by number or name, that are known to fail", options->expected_failures);
  cases("--only", "only these cases, by number or name", options->only);
  command->add_option("--rounds", options->rounds, "of the case abrt-race (300)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--patience", options->patience, "every time limit so many times as long")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000));
  command->add_option("COMMAND", options->command, "the worker, behind --")->required();
  command->final_callback(
      [options, &chosen] { chosen = [options] { return RunTestWorker(*options); }; });
}

void AddRun(CLI::App& app, std::function<ExitCode()>& chosen) {
  CLI::App* command =
      app.add_subcommand("run", "Run one job by hand, on a worker of its own, without a queue");
  auto options = std::make_shared<RunOptions>();
  auto words = std::make_shared<std::vector<std::string>>();
  command
      ->add_option("-p,--profile", options->profile,
                   "take limits, environment and the command from it")
      ->type_name("PROFILE.yaml");
  command
      ->add_option_function<std::string>(
          "--time-limit",
          [options](const std::string& text) { options->time_limit = *ParseDuration(text); },
          "abort the job after this, e.g. 30s; 0 = never")
      ->type_name("TIME")
      ->check([](const std::string& text) { return CheckTimeLimit(text); });
  command
      ->add_option("WORDS", *words,
                   "behind --: COMMAND… TASK JSON; with - for JSON it is read from stdin")
      ->required();
  command->final_callback([options, words, &chosen] {
    constexpr std::size_t kTaskAndJson = 2;
    const std::size_t least = kTaskAndJson + (options->profile.empty() ? 1 : 0);
    if (words->size() < least) {
      throw CLI::ValidationError(options->profile.empty()
                                     ? "run needs -- COMMAND… TASK JSON"
                                     : "run needs -- TASK JSON, or -- COMMAND… TASK JSON");
    }
    options->args = words->back();
    options->task = (*words)[words->size() - kTaskAndJson];
    options->command.assign(words->begin(), words->end() - kTaskAndJson);
    chosen = [options] { return Run(*options); };
  });
}

}  // namespace workmand::cli
