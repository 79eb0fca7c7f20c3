// workmand PROFILE.yaml: one profile, one daemon, in the foreground.
#include <cstdio>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "daemon/base/log.h"
#include "daemon/io/launcher.h"
#include "daemon/io/loop.h"
#include "daemon/profile/ladder.h"
#include "daemon/profile/load.h"
#include "daemon/queue/registry.h"
#include "daemon/supervisor.h"

namespace {

enum ExitCode { kOk = 0, kFailed = 1, kBadProfile = 2, kUsage = 64 };

struct Arguments {
  std::string profile;
  std::vector<std::string> sets;
  std::string log_level;
  std::string log_format;
  bool check = false;
  bool print_config = false;
  bool watch = false;
};

/// `key.path=value` as a pair; false when there is no key.
bool SplitOverride(const std::string& text, std::pair<std::string, std::string>& out) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  out = {text.substr(0, equals), text.substr(equals + 1)};
  return true;
}

int Usage(const std::string& sentence) {
  std::fprintf(stderr, "workmand: %s\n", sentence.c_str());
  return kUsage;
}

/// What the queue does not promise, a reader of the profile is told before it happens.
std::string PrintLosses(const workmand::Profile& profile) {
  using namespace workmand;
  // A producer, because a consumer may make files when it is opened.
  const auto queue = OpenQueue(MakeDriverConfig(profile), Role::kProducer);
  if (!queue) return {};
  const std::string_view lost_if = (*queue)->GetCaps().lost_if;
  if (lost_if.empty()) return {};
  return "queue " + profile.queue.driver + ": jobs are lost if " + std::string(lost_if) + "\n";
}

void Print(const Arguments& arguments, const workmand::Profile& profile) {
  if (arguments.print_config) std::fputs(PrintProfile(profile).c_str(), stdout);
  if (!arguments.check) return;
  std::fputs(PrintLadder(profile).c_str(), stdout);
  std::fputs(PrintLosses(profile).c_str(), stdout);
}

int Run(const Arguments& arguments) {
  using namespace workmand;
  SupervisorOptions options;
  options.profile_path = arguments.profile;
  options.load.environment = ProcessEnvironment();
  options.load.check_queue = CheckQueueOptions;
  for (const std::string& set : arguments.sets) {
    std::pair<std::string, std::string> override;
    if (!SplitOverride(set, override)) return Usage("--set " + set + ": must be key.path=value");
    options.load.overrides.push_back(std::move(override));
  }
  if (!arguments.log_level.empty()) {
    const auto level = log::ParseLevel(arguments.log_level);
    if (!level) return Usage("--log-level: " + level.error().message);
    options.log_level = *level;
  }
  if (!arguments.log_format.empty()) {
    options.log_format = arguments.log_format == "json" ? log::Format::kJson : log::Format::kText;
  }
  if (arguments.watch) {
    return Usage("--watch is not supported yet: send SIGHUP after a change");
  }

  LoadedProfile loaded = LoadProfile(arguments.profile, options.load);
  if (loaded.ok()) loaded.errors = CheckLadder(loaded.profile, options.load.environment);
  if (!loaded.ok()) {
    for (const ProfileError& error : loaded.errors) {
      std::fprintf(stderr, "workmand: %s\n", error.ToString().c_str());
    }
    return kBadProfile;
  }
  if (arguments.print_config || arguments.check) {
    Print(arguments, loaded.profile);
    return kOk;
  }

  const LogOptions& wanted = loaded.profile.log;
  const auto configured = log::Configure({options.log_level.value_or(wanted.level),
                                          options.log_format.value_or(wanted.format), wanted.file,
                                          loaded.profile.name});
  if (!configured) {
    std::fprintf(stderr, "workmand: %s\n", configured.error().message.c_str());
    return kFailed;
  }
  options.launcher = io::FindLauncher();
  if (options.launcher.empty()) {
    std::fprintf(stderr, "workmand: workmand-launch is neither beside workmand nor in libexec\n");
    return kFailed;
  }
  options.soft_file_limit = io::RaiseFileLimit();
  options.notify = io::TakeNotifySettings();

  io::Loop loop;
  log::Info("starting", {{"version", WORKMAND_VERSION}, {"pid", getpid()}});
  auto supervisor = Supervisor::Start(loop, std::move(loaded.profile), std::move(options));
  if (!supervisor) {
    std::fprintf(stderr, "workmand: %s\n", supervisor.error().message.c_str());
    return kFailed;
  }
  return (*supervisor)->Run();
}

}  // namespace

// What CLI11 throws while options are described is a bug.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"workmand: a supervisor of preforking workers for every queue and every language"};
  app.add_option("PROFILE", arguments.profile, "the profile (YAML)")->required();
  app.add_option("--set", arguments.sets, "override a key: key.path=value (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--log-level", arguments.log_level, "trace, debug, info, warn, error or off");
  app.add_option("--log-format", arguments.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--check", arguments.check, "validate the profile, print its time ladder, exit");
  app.add_flag("--print-config", arguments.print_config, "print the effective profile, exit");
  app.add_flag("--watch", arguments.watch, "restart workers when files change (development)");
  app.set_version_flag("--version", std::string("workmand ") + WORKMAND_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kOk : kUsage;
  }
  return Run(arguments);
}
