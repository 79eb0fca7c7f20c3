// The `queue:` block: which driver, and its keys, which only the driver knows.
#pragma once

#include <string_view>
#include <vector>

#include "daemon/profile/keys.h"
#include "daemon/profile/load.h"

namespace workmand {

Key QueueKey();

/// The keys that belong to no driver: "queue.driver", "queue.prefix".
const std::vector<std::string>& QueueBlockKeys();

/// Has the driver look at its keys and puts what it finds at the right place. Says nothing about a
/// key that already has an error.
void CheckQueue(const Draft& draft, const QueueChecker& check, Problems& problems);

}  // namespace workmand
