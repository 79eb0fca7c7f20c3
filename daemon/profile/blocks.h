// The keys whose values are lists or mappings: command, env, rlimits, config and tasks.
#pragma once

#include <string_view>
#include <vector>

#include "daemon/profile/keys.h"

namespace workmand {

Key CommandKey();
Key EnvKey();
/// Only the file's name; it is read when the whole profile is known (resolve.cc).
Key EnvFileKey();
Key RlimitsKey();
Key ConfigKey();
Key TasksKey();

/// The keys of one task.
const std::vector<std::string>& TaskKeys();

}  // namespace workmand
