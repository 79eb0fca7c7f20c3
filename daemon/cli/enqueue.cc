#include "daemon/cli/enqueue.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/cli/arguments.h"
#include "daemon/cli/interrupt.h"
#include "daemon/cli/open_profile.h"
#include "daemon/cli/target.h"
#include "daemon/profile/units.h"

namespace workmand::cli {
namespace {

ExitCode PutOne(Target& target, const Enqueue& job) {
  const Result<std::string> id = target.Put(job);
  if (id) return PrintLine(*id);
  Complain(id.error().message);
  return ExitCode::kFailed;
}

ExitCode PutAndWait(Target& target, const Enqueue& job, Duration timeout) {
  const TimePoint deadline = After(Clock::now(), timeout);
  const Result<std::string> id = target.Put(job);
  if (!id) {
    Complain(id.error().message);
    return ExitCode::kFailed;
  }
  const Interrupt interrupt;
  const WaitEnd end = target.Wait(*id, deadline, interrupt);
  const std::string job_and_fate = "job " + *id + ": " + std::string(target.fate());
  switch (end.how) {
    case WaitEnd::How::kDone: return PrintLine(end.bytes);
    case WaitEnd::How::kFailed: PrintError(end.bytes); return ExitCode::kFailed;
    case WaitEnd::How::kTimeout:
      Complain("no result within " + PrintDuration(timeout) + "; " + job_and_fate);
      return ExitCode::kTimedOut;
    case WaitEnd::How::kInterrupted:
      Complain("interrupted; " + job_and_fate);
      return interrupt.Take().value_or(ExitCode::kInterrupted);
    case WaitEnd::How::kLost:
      Complain("cannot wait any longer for job " + *id + ": " + end.bytes);
      return ExitCode::kFailed;
  }
  return ExitCode::kFailed;
}

}  // namespace

ExitCode RunEnqueue(EnqueueOptions options) {
  const std::optional<Profile> profile = OpenProfile(options.profile);
  if (!profile) return ExitCode::kBadProfile;
  Result<std::string> arguments = TakeArguments(std::move(options.arguments));
  if (!arguments) {
    Complain(arguments.error().message);
    return ExitCode::kFailed;
  }
  if (const auto good = CheckArguments(*arguments, profile->payload); !good) {
    Complain(good.error().message);
    return ExitCode::kUsage;
  }
  options.job.payload = std::move(*arguments);
  options.job.foreground = options.wait;
  const Result<std::unique_ptr<Target>> target = OpenTarget(*profile);
  if (!target) {
    Complain(target.error().message);
    return ExitCode::kFailed;
  }
  return options.wait ? PutAndWait(**target, options.job, options.timeout)
                      : PutOne(**target, options.job);
}

}  // namespace workmand::cli
