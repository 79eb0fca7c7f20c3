#include "daemon/cli/queue_init.h"

#include <memory>
#include <optional>

#include "daemon/cli/live_queue.h"
#include "daemon/cli/open_profile.h"

namespace workmand::cli {

ExitCode RunQueueInit(const std::string& profile_path) {
  const std::optional<Profile> profile = OpenProfile(profile_path);
  if (!profile) return ExitCode::kBadProfile;
  const Result<std::unique_ptr<Queue>> queue = ConnectQueue(*profile);
  if (!queue) {
    Complain(queue.error().message);
    return ExitCode::kFailed;
  }
  (*queue)->Disconnect();
  return PrintLine("the queue of " + profile->name + " is ready (" + profile->queue.driver + ")");
}

}  // namespace workmand::cli
