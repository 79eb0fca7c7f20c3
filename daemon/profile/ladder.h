// The time ladder of a profile: what happens when, from the notice to SIGKILL, and whether whoever
// stops workmand (systemd, a container) waits long enough for it. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/profile/load.h"
#include "daemon/profile/profile.h"

namespace workmand {

/// The ladder as lines for a person (`workmand --check`).
std::string PrintLadder(const Profile& profile);

/// Contradictions in the ladder. `WORKMAN_STOP_GRACE` in `environment` (a duration) is how long the
/// outside waits after TERM: graceful_shutdown_timeout + abort_timeout + 2 s must fit in.
std::vector<ProfileError> CheckLadder(const Profile& profile,
                                      const std::map<std::string, std::string>& environment);

}  // namespace workmand
