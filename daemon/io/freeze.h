// A clock that leaves out freezes. Pure: it is told the real time and how long the loop plans to
// sleep; whatever it oversleeps by more than a tolerance is taken out of the time it shows.
#pragma once

#include <optional>

#include "daemon/base/time.h"

namespace workmand::io {

/// Driven by the loop: Observe whenever the real time is looked at, Sleep just before each poll.
/// A freeze inside a sleep shows as a late wake-up. A freeze between two sleeps shows in the same
/// way, since there the next look is due at once.
class FreezeClock {
 public:
  /// A wake-up this late is load, not a freeze.
  static constexpr Duration kTolerance{1000};

  explicit FreezeClock(TimePoint real) : due_(real) {}

  /// What the clock shows at `real`, which must not go back. Counts a freeze when there was one.
  TimePoint Observe(TimePoint real);
  /// The loop is about to sleep for at most `planned`; without a value: until something happens,
  /// however long that takes.
  void Sleep(TimePoint real, std::optional<Duration> planned);

  /// The sum of all freezes so far.
  [[nodiscard]] Clock::duration frozen() const { return frozen_; }

 private:
  TimePoint due_;  ///< when the next look at the time is expected at the latest
  Clock::duration frozen_{0};
};

}  // namespace workmand::io
