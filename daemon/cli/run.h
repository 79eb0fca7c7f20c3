// `workman run`: one job by hand, on one worker that is started for it, without queue and daemon.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/cli/console.h"

namespace workmand::cli {

struct RunOptions {
  std::string profile;               ///< empty = none: the defaults, and this environment
  std::vector<std::string> command;  ///< empty = the profile's
  std::string task;
  std::string args;                    ///< raw; "-" = from stdin
  std::optional<Duration> time_limit;  ///< wins over all others; 0 = none
};

/// Prints the result on stdout: kOk. Everything else is told on stderr: kFailed, kTimedOut, or what
/// the signal means that stopped it. The worker has gone when it returns.
[[nodiscard]] ExitCode Run(RunOptions options);

}  // namespace workmand::cli
