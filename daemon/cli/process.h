// What the kernel tells of the daemon's process: how long it has lived, and when it has gone.
#pragma once

#include <optional>
#include <sys/types.h>

#include "daemon/base/time.h"
#include "daemon/io/unique_fd.h"

namespace workmand::cli {

/// Since the start of `pid`; nothing where /proc does not tell (0 is nobody's pid).
std::optional<Duration> UptimeOf(pid_t pid);

/// Holds on to a process, so that its pid cannot come to mean another one.
class ProcessHandle {
 public:
  /// Not valid for a pid that cannot be seen from here.
  explicit ProcessHandle(pid_t pid);
  /// Waits until it has ended, or for `timeout`; returns at once when it is not valid.
  void WaitForEnd(Duration timeout) const;

 private:
  io::UniqueFd fd_;
};

}  // namespace workmand::cli
