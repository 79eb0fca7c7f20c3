// Which drivers there are, and how one is opened from a profile. The built-in ones stand in one
// table (registry.cc); the others are modules, loaded when a profile names them (driver_module.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/profile/load.h"
#include "daemon/profile/profile.h"
#include "daemon/queue/queue.h"

namespace workmand {

class MemoryStore;

enum class Role { kConsumer, kProducer };

/// What a driver is opened with: its keys and the settings it shares with the daemon. Names of
/// tasks pass through unprefixed; WithPrefix (below) adds and removes `queue.prefix`.
struct DriverConfig {
  QueueOptions options;
  std::string profile_name;
  std::string directory;  ///< of the profile: relative paths start here
  std::string state_dir;
  Duration lease_time{60'000};
  Duration result_ttl{3'600'000};
  Duration dead_letter_retention{std::chrono::hours(24 * 30)};
  Duration dequeue_interval{1'000};
  /// What the instances of one daemon share when the driver is `memory`; made by MakeDriverConfig.
  /// So both instances must be opened from one config, or from copies of it. Null: each instance
  /// has a store of its own.
  std::shared_ptr<MemoryStore> memory_store;
};

struct DriverInfo {
  std::string_view name;
  Caps caps;
  std::string_view needs;  ///< the library of a module, for messages; empty = built in
  bool local = false;  ///< lives inside the daemon: producers must go through its control socket
};

/// Checks the keys of a `queue:` block: unknown driver, one whose module is missing or cannot be
/// used, unknown key (with the nearest known one),
/// bad value. For LoadOptions::check_queue.
std::vector<QueueKeyError> CheckQueueOptions(const QueueOptions& options);
[[nodiscard]] Result<DriverInfo> FindDriver(std::string_view name);
/// The built-in ones and every module that is installed and can be used; loads them all.
std::vector<DriverInfo> AllDrivers();

/// Makes an instance; nothing is connected yet. The instance adds `options.prefix` to task names on
/// the way out and removes it on the way in.
[[nodiscard]] Result<std::unique_ptr<Queue>> OpenQueue(const DriverConfig& config, Role role);
DriverConfig MakeDriverConfig(const Profile& profile);

}  // namespace workmand
