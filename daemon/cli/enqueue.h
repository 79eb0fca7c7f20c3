// `workman enqueue TASK [JSON]`: one job, and its result where it is waited for.
#pragma once

#include <optional>
#include <string>

#include "daemon/base/job.h"
#include "daemon/base/time.h"
#include "daemon/cli/console.h"

namespace workmand::cli {

struct EnqueueOptions {
  std::string profile;                   ///< path
  Enqueue job;                           ///< without its payload
  std::optional<std::string> arguments;  ///< absent or "-": from stdin
  bool wait = false;
  Duration timeout = kInfinite;  ///< of the wait
};

[[nodiscard]] ExitCode RunEnqueue(EnqueueOptions options);

}  // namespace workmand::cli
