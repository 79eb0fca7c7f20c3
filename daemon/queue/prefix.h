// `queue.prefix` for every driver in one place: a Queue around a Queue that adds the prefix to task
// names on the way out and removes it on the way in. Holds no state of its own.
#pragma once

#include <memory>
#include <string>

#include "daemon/queue/queue.h"

namespace workmand {

/// `inner` itself when `prefix` is empty. With a prefix the set "*" is Rejected: a driver cannot
/// ask its server for "every task that begins so".
[[nodiscard]] std::unique_ptr<Queue> WithPrefix(std::unique_ptr<Queue> inner, std::string prefix);

}  // namespace workmand
