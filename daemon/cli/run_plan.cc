#include "daemon/cli/run_plan.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <unistd.h>

#include "daemon/io/child_start.h"
#include "daemon/io/launcher.h"
#include "daemon/profile/load.h"
#include "protocol/encode.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

const wire::AnnouncedTask* Announced(const wire::Ready& ready, const std::string& task) {
  const auto found = std::ranges::find(ready.tasks, task, &wire::AnnouncedTask::name);
  return found == ready.tasks.end() ? nullptr : &*found;
}

std::vector<std::string> EnvironmentOf(const Profile& profile) {
  std::map<std::string, std::string> env = ProcessEnvironment();
  for (const auto& [key, value] : profile.env) env[key] = value;
  std::vector<std::string> texts;
  for (const auto& [key, value] : env) {
    if (!key.starts_with("WORKMAN")) texts.push_back(key + "=" + value);
  }
  texts.push_back("WORKMAN=" + std::to_string(wire::kVersion));
  texts.push_back("WORKMAN_PROFILE=" + profile.name);
  texts.push_back("WORKMAN_WORKER=" + profile.name + "-0");
  texts.emplace_back("WORKMAN_GENERATION=1");
  return texts;
}

/// "auto" by what the bytes are.
PayloadKind KindOf(PayloadKind kind, const std::string& args) {
  if (kind != PayloadKind::kAuto) return kind;
  if (wire::IsJson(args, wire::kMaxPayloadDepth)) return PayloadKind::kJson;
  return wire::IsUtf8(args) ? PayloadKind::kText : PayloadKind::kBase64;
}

Duration LimitOf(const RunOptions& options, const Profile& profile,
                 const wire::AnnouncedTask* announced) {
  if (options.time_limit) return *options.time_limit;
  const auto own = profile.tasks.find(options.task);
  if (own != profile.tasks.end() && own->second.time_limit) return *own->second.time_limit;
  if (announced != nullptr && announced->timeout_ms) return Duration(*announced->timeout_ms);
  return profile.time_limit;
}

int AttemptsOf(const RunOptions& options, const Profile& profile,
               const wire::AnnouncedTask* announced) {
  const auto own = profile.tasks.find(options.task);
  if (own != profile.tasks.end() && own->second.max_attempts) return *own->second.max_attempts;
  if (announced != nullptr && announced->max_attempts) {
    return static_cast<int>(*announced->max_attempts);
  }
  return profile.max_attempts;
}

}  // namespace

Result<WorkerStart> PlanStart(const RunOptions& options, const Profile& profile) {
  WorkerStart start;
  start.stderr_to = StderrTo::kInherit;
  start.env = EnvironmentOf(profile);
  start.argv = options.command.empty() ? profile.command : options.command;
  if (start.argv.empty()) return Fail(ErrorCode::kInvalid, "there is no command to run");
  if (options.profile.empty()) return start;
  io::ChildSpec spec;
  spec.launcher = io::FindLauncher();
  if (spec.launcher.empty()) {
    return Fail(ErrorCode::kNotFound,
                "workmand-launch is neither beside workman nor in libexec, and a profile needs it");
  }
  spec.argv = start.argv;
  spec.working_directory = profile.working_directory;
  spec.nice = profile.nice;
  spec.rlimits = profile.rlimits;
  spec.user = profile.user;
  spec.group = profile.group;
  start.argv = io::LauncherCommand(spec, ::getpid(), WorkerStart::kReportFd);
  start.by_launcher = true;
  start.name = spec.argv.front();
  return start;
}

std::string PlanHello(const Profile& profile) {
  wire::Hello hello;
  hello.daemon = "workmand/" WORKMAND_VERSION;
  hello.profile = profile.name;
  hello.worker = profile.name + "-0";
  hello.max_line = profile.max_line;
  hello.start_timeout_ms = profile.start_timeout.count();
  if (profile.graceful_shutdown_timeout != kInfinite) {
    hello.graceful_timeout_ms = profile.graceful_shutdown_timeout.count();
  }
  hello.abort_timeout_ms = profile.abort_timeout.count();
  hello.max_jobs = 1;
  // No `enqueue`: there is no queue.
  hello.features = {"cancel", "extend"};
  hello.config = profile.config_json;
  std::string line;
  wire::AppendHello(line, hello);
  return line;
}

PlannedJob PlanJob(const RunOptions& options, const Profile& profile, const wire::Ready& ready,
                   const std::string& id) {
  const wire::AnnouncedTask* announced = Announced(ready, options.task);
  PlannedJob planned;
  planned.time_limit = LimitOf(options, profile, announced);
  wire::JobMessage job;
  job.id = id;
  job.task = options.task;
  job.max_attempts = AttemptsOf(options, profile, announced);
  job.timeout_ms = planned.time_limit.count();
  if (planned.time_limit > Duration{0}) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    job.deadline_at_ms =
        std::chrono::duration_cast<Duration>(now).count() + planned.time_limit.count();
  }
  std::string scratch;
  switch (KindOf(profile.payload, options.args)) {
    case PayloadKind::kText:
      wire::AppendString(scratch, options.args);
      job.args = scratch;
      break;
    case PayloadKind::kBase64:
      job.args = options.args;
      job.args_binary = true;
      break;
    case PayloadKind::kJson:
    case PayloadKind::kAuto: job.args = wire::OnOneLine(options.args, scratch); break;
  }
  job.driver = "none";
  job.queue = options.task;
  job.job = "1";
  wire::AppendJob(planned.line, job);
  return planned;
}

}  // namespace workmand::cli
