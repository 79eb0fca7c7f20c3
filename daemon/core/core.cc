#include "daemon/core/core.h"

#include <algorithm>
#include <utility>

namespace workmand {

std::string_view ToString(DaemonPhase phase) {
  switch (phase) {
    case DaemonPhase::kStarting: return "starting";
    case DaemonPhase::kRunning: return "running";
    case DaemonPhase::kDegraded: return "degraded";
    case DaemonPhase::kPaused: return "paused";
    case DaemonPhase::kReloading: return "reloading";
    case DaemonPhase::kStopping: return "stopping";
  }
  return "?";
}

Core::Core(CoreOptions options)
    : random_(options.seed),
      workers_(outbox_, [this](Slot& slot) { OnSlotChange(slot); }),
      dispatcher_(workers_, outbox_, random_, options.queue, std::move(options.make_error)),
      pool_(workers_, dispatcher_, outbox_, random_) {
  pool_.Begin(std::move(options.limits));
}

void Core::OnSlotChange(Slot& slot) {
  dispatcher_.Refresh(slot);
  if (slot.Open()) return;
  unbalanced_ = true;
  resubscribe_ = true;
}

void Core::Begin(TimePoint now) {
  Rebalance(now);
}

Core::ReadyIs Core::OnReady(SlotId id, std::shared_ptr<const Announcement> announced,
                            TimePoint now) {
  Slot& slot = workers_.at(id);
  const bool late = slot.state == State::kClosing && slot.start_timed_out;
  if (!workers_.Ready(slot, std::move(announced), now)) {
    if (slot.ever_ready) return ReadyIs::kSecond;
    return late ? ReadyIs::kTooLate : ReadyIs::kUnwanted;
  }
  pool_.OnReady(slot, now);
  unbalanced_ = true;
  resubscribe_ = true;
  return ReadyIs::kFirst;
}

Core::OutcomeIs Core::OnOutcome(SlotId id, std::string_view delivery, OutcomeReport& report,
                                TimePoint now) {
  Slot& slot = workers_.at(id);
  if (!slot.ever_ready) return OutcomeIs::kBeforeReady;
  Delivery* live = slot.Find(delivery);
  if (live == nullptr) return OutcomeIs::kUnknown;
  dispatcher_.Settle(slot, *live, report, now);
  pool_.OnJobFinished(slot);
  return OutcomeIs::kSettled;
}

bool Core::OnHeartbeat(SlotId id, std::string_view delivery, Duration extend, TimePoint now) {
  Slot& slot = workers_.at(id);
  Delivery* live = delivery.empty() ? nullptr : slot.Find(delivery);
  if (!delivery.empty() && live == nullptr) return false;
  if (live == nullptr && slot.in_flight.size() == 1) live = slot.in_flight.data();
  workers_.Heartbeat(slot, live, extend, now);
  return true;
}

void Core::OnUnread(SlotId id, bool unread, TimePoint now) {
  workers_.SetUnread(workers_.at(id), unread, now);
}

void Core::OnRetire(SlotId id, TimePoint now) {
  workers_.Retire(workers_.at(id), StopReason::kRetire, now);
}

void Core::OnViolation(SlotId id, bool severe, bool scored, TimePoint now) {
  Slot& slot = workers_.at(id);
  workers_.Violation(slot, severe, now);
  if (!scored) --slot.violations;
  const int most = slot.limits->max_violations;
  if (most > 0 && slot.violations > most) workers_.Retire(slot, StopReason::kRetire, now);
}

void Core::OnForce(SlotId id, Cause cause, TimePoint now) {
  Slot& slot = workers_.at(id);
  if (slot.state == State::kAborting || slot.state == State::kKilling) return;
  workers_.Force(slot, cause, now);
}

void Core::OnHold(SlotId id, const std::string& why, TimePoint now) {
  pool_.Hold(workers_.at(id), why, now);
  if (NobodyServes()) dispatcher_.GiveBackHeld();
  unbalanced_ = true;
}

void Core::OnUndelivered(SlotId id, std::string_view delivery) {
  if (Delivery* live = workers_.at(id).Find(delivery)) live->undelivered = true;
}

void Core::OnGone(SlotId id, const Exit& exit, TimePoint now) {
  constexpr int kSigTerm = 15;
  Slot& slot = workers_.at(id);
  if (exit.unusable) slot.cause = Cause::kViolation;
  std::vector<Delivery> rest = workers_.Gone(slot, now);
  // A worker that had not read its job yet is idle in its own eyes and leaves on TERM with exit 0.
  const bool by_our_term = slot.term_sent && (exit.signal == kSigTerm || exit.code == 0);
  dispatcher_.SettleRest(slot, std::move(rest),
                         {exit.how, exit.last_words, by_our_term, exit.note, exit.broke}, now);
  pool_.OnGone(slot, exit, now);
  if (NobodyServes()) dispatcher_.GiveBackHeld();
  unbalanced_ = true;
}

void Core::OnJobs(std::vector<Job>& jobs, TimePoint now) {
  dispatcher_.Take(jobs, now);
  // The queue may have handed out what it was asked for a moment ago.
  if (paused_ || NobodyServes()) dispatcher_.GiveBackHeld();
}

bool Core::NobodyServes() const {
  return pool_.degraded() && std::none_of(workers_.slots().begin(), workers_.slots().end(),
                                          [](const auto& one) { return one->Open(); });
}

void Core::OnSessionLost() {
  dispatcher_.ForgetHeld();
}

Generation Core::Reload(std::shared_ptr<const Limits> limits, TimePoint now) {
  const Generation generation = pool_.Reload(std::move(limits), now);
  Rebalance(now);
  return generation;
}

void Core::Stop(int step, TimePoint now) {
  pool_.Stop(step, now);
  Rebalance(now);
}

void Core::Scale(int workers, TimePoint now) {
  pool_.Scale(workers, now);
  Rebalance(now);
}

void Core::Pause(bool paused) {
  paused_ = paused;
  if (paused) dispatcher_.GiveBackHeld();
}

void Core::OnTime(TimePoint now) {
  if (dispatcher_.NextDeadline() <= now) dispatcher_.OnDeadline(now);
  if (workers_.NextDeadline() <= now) {
    workers_.ResetNextDeadline();
    for (const auto& slot : workers_.slots()) {
      // A deadline may lead to another that is due as well (a time-out of 0).
      for (int rung = 0; slot->deadline <= now && rung < 4; ++rung) {
        workers_.OnDeadline(*slot, now);
      }
      workers_.NoteDeadline(slot->deadline);
    }
  }
  if (pool_deadline_ <= now) unbalanced_ = true;
}

void Core::EndTurn(TimePoint now) {
  dispatcher_.Dispatch(now);
  const Limits& limits = *pool_.limits();
  if (limits.min_workers < limits.max_workers) unbalanced_ = true;
  if (unbalanced_) Rebalance(now);
  if (!resubscribe_ && limits.tasks.empty()) return;
  resubscribe_ = false;
  std::vector<const Announcement*> serving;
  for (const auto& slot : workers_.slots()) {
    if (slot->Open() && (serving.empty() || serving.back() != slot->announced.get())) {
      serving.push_back(slot->announced.get());
    }
  }
  // With nobody to serve there is no credit either; the next worker is likely to serve the same,
  // and some queues give running jobs back when their task is no longer wanted.
  if (!serving.empty()) dispatcher_.UpdateSubscription(serving);
}

void Core::Rebalance(TimePoint now) {
  unbalanced_ = false;
  pool_.Balance(now);
  unbalanced_ = false;
  pool_deadline_ = pool_.NextDeadline();
}

TimePoint Core::NextDeadline() const {
  return std::min({workers_.NextDeadline(), dispatcher_.NextDeadline(), pool_deadline_});
}

std::int64_t Core::Credit() const {
  if (paused_ || pool_.stopping()) return 0;
  return dispatcher_.Credit(pool_.CanGrow());
}

DaemonPhase Core::phase() const {
  if (pool_.stopping()) return DaemonPhase::kStopping;
  if (pool_.degraded()) return DaemonPhase::kDegraded;
  if (pool_.reloading()) return DaemonPhase::kReloading;
  if (paused_) return DaemonPhase::kPaused;
  return pool_.serving() ? DaemonPhase::kRunning : DaemonPhase::kStarting;
}

}  // namespace workmand
