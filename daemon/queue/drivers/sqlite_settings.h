// The keys of `driver: sqlite`, and what an instance is made with. Pure: it touches no file.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/queue/drivers/sqlite_db.h"
#include "daemon/queue/registry.h"

namespace workmand::sqlite {

struct Settings {
  std::string path;  ///< of the file; its folder is made when missing
  bool full_sync = true;
  Duration lease_time{60'000};
  Duration result_ttl{3'600'000};     ///< 0 = kept until they are collected
  Duration dead_letter_retention{0};  ///< 0 = kept for ever
  Duration poll_interval{1'000};      ///< where inotify cannot be had; at most 1 s is used
  Duration busy_timeout{5'000};
  int max_row = 0;  ///< bytes; 0 = SQLite's own limit
  /// What time it is; a test puts its own.
  std::function<WallTime()> clock = [] {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  };
};

/// From the profile; kInvalid with a sentence when a key is wrong.
[[nodiscard]] Result<Settings> MakeSettings(const DriverConfig& config);

/// The path in "sqlite:///PATH". PATH is absolute when it begins with a slash of its own or names a
/// folder ("sqlite:////q.db", "sqlite:///var/lib/q.db"); a bare file name, or one that begins with
/// "./" or "../", is relative.
[[nodiscard]] Result<std::string> PathOfUrl(std::string_view url);

}  // namespace workmand::sqlite
