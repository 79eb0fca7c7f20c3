// The workers by slot: moves each through the life-cycle table, keeps its deadlines, climbs the
// ladder. Driven by core; knows nothing of how many there should be (pool.h) or of retries
// (dispatcher.h). Pure: `now` is an argument.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/core/action.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/slot.h"

namespace workmand {

class Workers {
 public:
  /// `on_change` is called whenever what a slot can take may have changed.
  Workers(Outbox& outbox, std::function<void(Slot&)> on_change)
      : outbox_(outbox), on_change_(std::move(on_change)) {}

  /// The slot for a new worker: the lowest one that is down.
  Slot& Claim();
  [[nodiscard]] Slot& at(SlotId id) { return *slots_.at(id.value - 1); }
  [[nodiscard]] const Slot& at(SlotId id) const { return *slots_.at(id.value - 1); }
  /// Every slot ever used, in order; ids start at 1.
  [[nodiscard]] const std::vector<std::unique_ptr<Slot>>& slots() const { return slots_; }

  void Start(Slot& slot, Generation generation, std::shared_ptr<const Limits> limits, int max_jobs,
             TimePoint now);
  /// False when the event means nothing in this state (a second `ready`).
  bool Ready(Slot& slot, std::shared_ptr<const Announcement> announced, TimePoint now);
  /// Puts the delivery in flight and asks for it to be sent.
  Delivery& Assign(Slot& slot, Delivery delivery, TimePoint now);
  /// Takes the delivery out of flight; the caller settles it.
  Delivery TakeOutcome(Slot& slot, Delivery& delivery, TimePoint now);
  /// Tells it to go. `grace`: time until the abort rung while a job runs (kInfinite = never).
  /// A worker that is going already keeps the earlier of the two deadlines.
  void Stop(Slot& slot, StopReason reason, Duration grace, TimePoint now);
  /// Takes no further job and goes when it has none: recycle, lifetime, its own wish. Nothing is
  /// told to it before, so that no signal can overtake a job that it has not read yet.
  void Retire(Slot& slot, StopReason reason, TimePoint now);
  /// Counts a violation; a severe one ends the worker at the cost of its running jobs.
  void Violation(Slot& slot, bool severe, TimePoint now);
  /// One rung further now. At least the abort rung.
  void Force(Slot& slot, Cause cause, TimePoint now);
  /// Handles what is due at `now`.
  void OnDeadline(Slot& slot, TimePoint now);
  /// The process has ended: returns what was still in flight, for settlement.
  std::vector<Delivery> Gone(Slot& slot, TimePoint now);
  /// A sign of life of a running job; `extend` moves its time limit.
  void Heartbeat(Slot& slot, Delivery* delivery, Duration extend, TimePoint now);

  /// Its output is not read for now (`unread`), or again: meanwhile no job of it can stall.
  void SetUnread(Slot& slot, bool unread, TimePoint now);

  /// Recomputes the slot's earliest deadline; lowers NextDeadline when it is earlier.
  void Arm(Slot& slot);
  /// A moment at or before the earliest deadline of all; kNever when there is none.
  [[nodiscard]] TimePoint NextDeadline() const { return next_deadline_; }
  /// Before a sweep over all slots: forget the old bound, so that Arm finds the new one.
  void ResetNextDeadline() { next_deadline_ = kNever; }
  void NoteDeadline(TimePoint when) { next_deadline_ = std::min(next_deadline_, when); }

 private:
  bool Handle(Slot& slot, Event event, const Facts& facts, Cause cause, TimePoint now);
  void Apply(Slot& slot, const Step& step, Cause cause, TimePoint now);
  void Climb(Slot& slot, const Step& step, Cause cause, TimePoint now);
  void StartRunning(Slot& slot, TimePoint now);
  bool HandleJobDeadlines(Slot& slot, TimePoint now);
  bool EndJobTime(Slot& slot, Delivery& delivery, Cause cause, TimePoint now);
  void ReportSlow(Slot& slot, Delivery& delivery, TimePoint now);
  void SendCancel(Slot& slot, Delivery& delivery, CancelReason reason, TimePoint now);
  static void WatchStall(const Slot& slot, Delivery& delivery, TimePoint now);
  [[nodiscard]] static TimePoint StateDeadline(const Slot& slot);

  Outbox& outbox_;
  std::function<void(Slot&)> on_change_;
  std::vector<std::unique_ptr<Slot>> slots_;
  TimePoint next_deadline_ = kNever;
};

}  // namespace workmand
