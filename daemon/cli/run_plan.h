// What `workman run` takes from a profile: how the worker is started, greeted and limited. As the
// daemon does it for the workers of its pool.
#pragma once

#include <string>

#include "daemon/base/result.h"
#include "daemon/cli/run.h"
#include "daemon/cli/worker_start.h"
#include "daemon/profile/profile.h"
#include "protocol/messages.h"

namespace workmand::cli {

/// The command of `options` wins over the profile's.
[[nodiscard]] Result<WorkerStart> PlanStart(const RunOptions& options, const Profile& profile);
[[nodiscard]] std::string PlanHello(const Profile& profile);

/// A job's line, and what limits it. `args` is raw.
struct PlannedJob {
  std::string line;
  Duration time_limit{0};  ///< 0 = none
};
/// Precedence: the command line, tasks.NAME, what the worker announced, the profile.
[[nodiscard]] PlannedJob PlanJob(const RunOptions& options, const Profile& profile,
                                 const workman::protocol::Ready& ready, const std::string& id);

}  // namespace workmand::cli
