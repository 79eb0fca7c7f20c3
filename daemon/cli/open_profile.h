// The first step of every command: the profile that -p names.
#pragma once

#include <optional>
#include <string>

#include "daemon/profile/profile.h"

namespace workmand::cli {

/// Loads it without looking for the worker's command, which a producer need not have, unless
/// `for_a_worker`. When it is bad, every error is complained about and there is nothing (exit with
/// kBadProfile).
std::optional<Profile> OpenProfile(const std::string& path, bool for_a_worker = false);

}  // namespace workmand::cli
