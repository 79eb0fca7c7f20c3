// When to try a lost queue again: exponential back-off with full jitter. Pure: the moment and the
// random number are arguments. Driven by QueueSession (session.h).
#pragma once

#include <algorithm>

#include "daemon/base/time.h"

namespace workmand {

class Reconnect {
 public:
  /// A session that lived this long proves the server well: the next back-off starts anew.
  static constexpr Duration kHealthy{10'000};

  Reconnect(Duration min, Duration max) : min_(min), max_(max) {}

  void Connected(TimePoint now) { connected_at_ = now; }

  /// The session ended, or could not be opened, at `now`; returns when to try again: a random part
  /// of min * 2^k, of `max` at most. `random` is in [0, 1).
  TimePoint Lost(TimePoint now, double random) {
    if (connected_at_ != kNever && now - connected_at_ >= kHealthy) failures_ = 0;
    connected_at_ = kNever;
    const Duration ceiling = Ceiling();
    failures_ = std::min(failures_ + 1, kMostDoublings);
    const auto part = static_cast<double>(ceiling.count()) * random;
    return After(now, Duration{static_cast<Duration::rep>(part)});
  }

 private:
  /// 100 ms * 2^20 is more than a day: no sensible `max` is beyond.
  static constexpr int kMostDoublings = 20;

  [[nodiscard]] Duration Ceiling() const { return std::min(max_, min_ * (1 << failures_)); }

  Duration min_;
  Duration max_;
  int failures_ = 0;
  TimePoint connected_at_ = kNever;
};

}  // namespace workmand
