// A reload: a new generation proves itself, then takes over worker by worker.
#include <algorithm>
#include <utility>

#include "daemon/core/pool.h"

namespace workmand {

using Kind = action::PoolEvent::Kind;

Generation Pool::Reload(std::shared_ptr<const Limits> limits, TimePoint now) {
  if (pending_) {
    const Generation superseded = pending_->generation;
    for (const auto& slot : workers_.slots()) {
      if (slot->Alive() && slot->generation == superseded && !slot->retiring) {
        workers_.Stop(*slot, StopReason::kRestart, pending_->limits->graceful_restart, now);
      }
    }
    Emit(Kind::kReloadSuperseded, superseded, 0, "a newer reload took its place");
  }
  ++newest_.value;
  pending_ = Pending{newest_, std::move(limits), 0, now};
  return newest_;
}

void Pool::Commit(TimePoint now) {
  const Pending pending = *std::exchange(pending_, std::nullopt);
  committed_ = pending.generation;
  limits_ = pending.limits;
  dispatcher_.SetLimits(limits_);
  ResetTarget();
  rolling_ = true;
  hold_ = false;
  failures_ = 0;
  tempfails_ = 0;
  next_start_ = now;
  Recover();
  Emit(Kind::kReloadCommitted, committed_, 0, "");
  for (const auto& slot : workers_.slots()) {
    if (!slot->Alive() || slot->generation == committed_) continue;
    // Idle ones go one by one as new ones get ready; each busy one now has a deadline of its own.
    if (slot->state == State::kIdle && !slot->retiring) continue;
    workers_.Stop(*slot, StopReason::kRestart, limits_->graceful_restart, now);
  }
}

void Pool::RollBack(const std::string& why, TimePoint now) {
  const Pending pending = *std::exchange(pending_, std::nullopt);
  for (const auto& slot : workers_.slots()) {
    if (slot->Alive() && slot->generation == pending.generation) {
      workers_.Stop(*slot, StopReason::kRestart, pending.limits->graceful_restart, now);
    }
  }
  Emit(Kind::kReloadRolledBack, pending.generation, pending.failures, why);
}

Slot* Pool::AnyOldOpen() {
  for (const auto& slot : workers_.slots()) {
    if (slot->Open() && slot->generation != committed_) return slot.get();
  }
  return nullptr;
}

void Pool::RollOn(Census& census, TimePoint now) {
  if (!rolling_) return;
  const int least = target_ - limits_->max_unavailable;
  while (census.old > 0 && census.current_ready + census.old - 1 >= least) {
    Slot* goes = LongestIdle(committed_, true);
    // Under load one that was idle at the commit may be busy whenever we look: it drains.
    if (goes == nullptr) goes = AnyOldOpen();
    if (goes == nullptr) break;
    workers_.Stop(*goes, StopReason::kRestart, limits_->graceful_restart, now);
    --census.old;
    ++(goes->in_flight.empty() ? census.old_leaving : census.old_draining);
  }
  StartMissing(census, now);
  if (census.old > 0 || census.old_leaving > 0 || census.current_ready < target_) return;
  rolling_ = false;
  Emit(Kind::kReloadDone, committed_, census.old_draining, "");
}

}  // namespace workmand
