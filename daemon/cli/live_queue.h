// The profile's queue, opened by this program itself: a driver of our own, as any producer has one.
#pragma once

#include <memory>

#include "daemon/base/result.h"
#include "daemon/profile/profile.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand::cli {

/// Opens the queue as a producer and connects; blocks for at most a few seconds. The error is a
/// sentence.
[[nodiscard]] Result<std::unique_ptr<Queue>> ConnectQueue(const Profile& profile);
/// The same with settings that differ from the profile's.
[[nodiscard]] Result<std::unique_ptr<Queue>> ConnectQueue(const DriverConfig& config);

}  // namespace workmand::cli
