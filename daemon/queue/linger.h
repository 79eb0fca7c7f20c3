// When the pump's thread sleeps, for how long, and which call of the loop must end that sleep.
// Pure.
//
// The loop posts settlements thousands of times a second and must not pay a system call for each.
// So the thread, after a round in which something was posted, sleeps only briefly: a post that is
// not urgent then needs no wake-up, it is found within the millisecond. After a round in which
// nothing was posted the thread sleeps long, and the next post wakes it. An idle daemon is thus
// never woken by lingering, and a busy one hardly ever by a post.
#pragma once

#include <algorithm>
#include <cstddef>

#include "daemon/base/time.h"

namespace workmand {

/// How long an update that is not urgent may wait for company.
inline constexpr Duration kLinger{1};
/// So many updates are company enough.
inline constexpr std::size_t kLingerUpdates = 64;

enum class Waiting {
  kNot,    ///< the thread runs and will look into the mailbox by itself
  kBrief,  ///< for kLinger at most
  kLong,
};

/// Whether posting must wake the thread; `posted` = updates in the mailbox now.
constexpr bool PostWakes(Waiting waiting, bool urgent, std::size_t posted) {
  if (waiting == Waiting::kNot) return false;
  return waiting == Waiting::kLong || urgent || posted >= kLingerUpdates;
}

/// Whether more credit must wake the thread. `starved`: it sleeps because it had none.
/// `last_post_urgent`: the loop is in a hurry; else the credit may linger like its post.
constexpr bool GrantWakes(Waiting waiting, bool starved, bool last_post_urgent) {
  if (!starved || waiting == Waiting::kNot) return false;
  return waiting == Waiting::kLong || last_post_urgent;
}

/// What bounds a sleep.
struct WaitBounds {
  bool busy = false;  ///< something was posted in this round
  Duration interval{1'000};
  TimePoint next_tick = kNever;
  TimePoint next_renewal = kNever;
};

struct WaitPlan {
  Waiting waiting = Waiting::kLong;
  Duration timeout{0};
};

constexpr WaitPlan PlanWait(const WaitBounds& bounds, TimePoint now) {
  const Duration due = std::min(Until(now, bounds.next_tick), Until(now, bounds.next_renewal));
  if (bounds.busy) return {Waiting::kBrief, std::min(kLinger, due)};
  return {Waiting::kLong, std::min(bounds.interval, due)};
}

}  // namespace workmand
