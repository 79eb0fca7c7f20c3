// Where `workman enqueue` puts its jobs: the queue itself, or, for a queue that lives inside the
// daemon, the daemon's control socket. Blocking; one thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/cli/interrupt.h"
#include "daemon/profile/profile.h"

namespace workmand::cli {

/// How a wait for a result ended.
struct WaitEnd {
  enum class How { kDone, kFailed, kTimeout, kInterrupted, kLost };
  How how = How::kDone;
  std::string bytes;  ///< kDone: the result; kFailed: the message; kLost: why, as a sentence
};

class Target {
 public:
  virtual ~Target() = default;

  /// Puts one job and returns its id.
  [[nodiscard]] virtual Result<std::string> Put(const Enqueue& job) = 0;
  /// Puts several. ids[i] is empty and why[i] a sentence where job i was refused. The error (then
  /// nobody knows how many of them are in) says that the other side has gone.
  [[nodiscard]] virtual Result<void> PutMany(std::span<const Enqueue> jobs,
                                             std::vector<std::string>& ids,
                                             std::vector<std::string>& why) = 0;
  /// Waits for the final outcome of the one foreground job that was put.
  [[nodiscard]] virtual WaitEnd Wait(const std::string& id, TimePoint deadline,
                                     const Interrupt& interrupt) = 0;
  /// What becomes of a job that nobody waits for any more, as the end of a sentence.
  [[nodiscard]] virtual std::string_view fate() const = 0;
};

/// Opens the way that this profile's driver needs, and connects.
[[nodiscard]] Result<std::unique_ptr<Target>> OpenTarget(const Profile& profile);

/// The two ways; each connects before it returns.
[[nodiscard]] Result<std::unique_ptr<Target>> OpenQueueTarget(const Profile& profile);
[[nodiscard]] Result<std::unique_ptr<Target>> OpenDaemonTarget(const Profile& profile);

}  // namespace workmand::cli
