// Moments and lengths of time. Decisions take `now` as an argument; only io reads a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace workmand {

/// Lengths of time in profiles and policies, in milliseconds.
using Duration = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
/// A moment of the monotonic clock (see io::Loop::Now, which leaves out time in which the whole
/// daemon was frozen).
using TimePoint = Clock::time_point;

/// "Never": the deadline of something that has none.
inline constexpr TimePoint kNever = TimePoint::max();
/// The length of a wait without end (`infinity` in a profile).
inline constexpr Duration kInfinite = Duration::max();

/// `from + length`, saturating: infinity, and anything that would overflow, is kNever.
constexpr TimePoint After(TimePoint from, Duration length) {
  if (from == kNever || length == kInfinite) return kNever;
  constexpr auto kFar = std::chrono::hours(24 * 365 * 50);
  if (length > kFar) return kNever;
  return from + length;
}

/// Milliseconds from `now` until `then`, rounded up, never negative.
constexpr Duration Until(TimePoint now, TimePoint then) {
  if (then <= now) return Duration{0};
  if (then == kNever) return kInfinite;
  return std::chrono::ceil<Duration>(then - now);
}

}  // namespace workmand
