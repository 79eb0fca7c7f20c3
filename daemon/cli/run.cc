#include "daemon/cli/run.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/cli/arguments.h"
#include "daemon/cli/hand_worker.h"
#include "daemon/cli/open_profile.h"
#include "daemon/cli/run_plan.h"
#include "daemon/cli/worker_lines.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

/// What becomes of the job, as an exit code, with its words on stdout or stderr.
ExitCode Tell(const HandWorker::Ending& ending, bool text_result) {
  using How = HandWorker::Ending::How;
  switch (ending.how) {
    case How::kDone: break;
    case How::kFailed: PrintError(ending.text); return ExitCode::kFailed;
    case How::kLost: Complain(ending.text); return ExitCode::kFailed;
    case How::kTimedOut: Complain(ending.text); return ExitCode::kTimedOut;
    case How::kInterrupted: Complain(ending.text); return ending.code;
  }
  if (ending.base64) return PrintLine(wire::DecodeBase64Inside(ending.text).value_or(ending.text));
  if (text_result) {
    if (const auto characters = wire::ReadString(ending.text)) return PrintLine(*characters);
  }
  return PrintLine(ending.text);
}

std::string Names(const wire::Ready& ready) {
  std::string names;
  for (const wire::AnnouncedTask& task : ready.tasks) {
    names += (names.empty() ? "" : ", ") + task.name;
  }
  return names;
}

ExitCode RunOn(HandWorker& worker, const RunOptions& options, const Profile& profile) {
  if (const auto ending = worker.AwaitReady()) return Tell(*ending, false);
  const wire::Ready& ready = worker.ready();
  const bool known = ready.any_task || std::ranges::any_of(ready.tasks, [&](const auto& task) {
                       return task.name == options.task;
                     });
  if (!known) {
    Complain("the worker has no task " + options.task + "; it has " + Names(ready));
    worker.Leave();
    return ExitCode::kFailed;
  }
  const std::string id = NewDeliveryId();
  const PlannedJob job = PlanJob(options, profile, ready, id);
  const std::size_t max_line =
      ready.max_line > 0 ? std::min(static_cast<std::size_t>(ready.max_line), profile.max_line)
                         : profile.max_line;
  if (job.line.size() - 1 > max_line) {
    Complain("the job's line has " + std::to_string(job.line.size() - 1) +
             " bytes, more than the " + std::to_string(max_line) + " that a line may have");
    worker.Leave();
    return ExitCode::kFailed;
  }
  const HandWorker::Ending ending = worker.Work(id, job.line, job.time_limit);
  const ExitCode code = Tell(ending, profile.payload == PayloadKind::kText);
  worker.Leave();
  return code;
}

}  // namespace

ExitCode Run(RunOptions options) {
  Profile profile;
  profile.name = "run";
  if (!options.profile.empty()) {
    std::optional<Profile> opened = OpenProfile(options.profile, true);
    if (!opened) return ExitCode::kBadProfile;
    profile = std::move(*opened);
  }
  Result<std::string> args = TakeArguments(std::move(options.args));
  if (args) {
    options.args = std::move(*args);
    const Result<void> good = CheckArguments(options.args, profile.payload);
    if (!good) args = tl::unexpected(good.error());
  }
  if (!args) {
    Complain(args.error().message);
    return ExitCode::kUsage;
  }
  const Result<WorkerStart> start = PlanStart(options, profile);
  if (!start) {
    Complain(start.error().message);
    return ExitCode::kFailed;
  }
  const Interrupt interrupt;
  Result<std::unique_ptr<WorkerTalk>> talk = WorkerTalk::Start(*start);
  if (!talk) {
    Complain(talk.error().message);
    return ExitCode::kFailed;
  }
  HandWorker worker(std::move(*talk), profile, interrupt);
  worker.Greet(PlanHello(profile));
  return RunOn(worker, options, profile);
}

}  // namespace workmand::cli
