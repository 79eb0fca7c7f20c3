#include "daemon/core/workers.h"

#include <utility>

namespace workmand {
namespace {

/// How often SIGKILL is repeated to a process that does not die of it.
constexpr Duration kKillRepeat{5'000};

}  // namespace

Slot& Workers::Claim() {
  for (const auto& slot : slots_) {
    if (slot->state == State::kDown) return *slot;
  }
  slots_.push_back(std::make_unique<Slot>());
  slots_.back()->id = SlotId{static_cast<std::uint32_t>(slots_.size())};
  return *slots_.back();
}

void Workers::Start(Slot& slot, Generation generation, std::shared_ptr<const Limits> limits,
                    int max_jobs, TimePoint now) {
  WORKMAND_CHECK(slot.in_flight.empty(), "a slot was started with jobs in flight");
  Slot fresh;
  fresh.id = slot.id;
  fresh.life = slot.life + 1;
  fresh.generation = generation;
  fresh.limits = std::move(limits);
  fresh.max_jobs = max_jobs;
  fresh.spawned_at = now;
  slot = std::move(fresh);
  Handle(slot, Event::kStart, {}, Cause::kNone, now);
}

bool Workers::Ready(Slot& slot, std::shared_ptr<const Announcement> announced, TimePoint now) {
  const bool first = slot.state == State::kBooting;
  if (first) {
    slot.announced = std::move(announced);
    slot.ever_ready = true;
    slot.ready_at = now;
    // Actions point at deliveries until they are carried out, so the vector must not move.
    slot.in_flight.reserve(static_cast<std::size_t>(slot.Capacity()));
    slot.idle_since = now;
    if (slot.limits->max_lifetime.count() > 0) {
      slot.lifetime_at = After(slot.spawned_at, slot.limits->max_lifetime);
    }
  }
  Handle(slot, Event::kReady, {}, Cause::kNone, now);
  return first;
}

Delivery& Workers::Assign(Slot& slot, Delivery delivery, TimePoint now) {
  WORKMAND_CHECK(slot.Open(), "a job was given to a slot that takes none");
  delivery.sent_at = now;
  slot.in_flight.push_back(std::move(delivery));
  ++slot.jobs_sent;
  StartRunning(slot, now);
  Handle(slot, Event::kAssign, {}, Cause::kNone, now);
  if (slot.max_jobs > 0 && slot.jobs_sent >= slot.max_jobs) {
    Retire(slot, StopReason::kRecycle, now);
  }
  return slot.in_flight.back();
}

Delivery Workers::TakeOutcome(Slot& slot, Delivery& delivery, TimePoint now) {
  const auto place = &delivery - slot.in_flight.data();
  Delivery taken = std::move(delivery);
  slot.in_flight.erase(slot.in_flight.begin() + place);
  ++slot.jobs_finished;
  StartRunning(slot, now);
  if (slot.in_flight.empty()) slot.idle_since = now;
  Handle(slot, Event::kOutcome, {.more_in_flight = !slot.in_flight.empty()}, Cause::kNone, now);
  if (slot.state == State::kIdle && slot.retiring) Stop(slot, slot.stop_reason, kInfinite, now);
  return taken;
}

void Workers::Stop(Slot& slot, StopReason reason, Duration grace, TimePoint now) {
  if (slot.state == State::kDown) return;
  slot.retiring = true;
  slot.told = true;
  slot.stop_reason = reason;
  if (slot.cause == Cause::kNone) slot.cause = Cause::kAsked;
  slot.grace_at = std::min(slot.grace_at, After(now, grace));
  Handle(slot, Event::kStop, {}, Cause::kAsked, now);
}

void Workers::Retire(Slot& slot, StopReason reason, TimePoint now) {
  if (slot.retiring || slot.state == State::kDown) return;
  slot.retiring = true;
  slot.stop_reason = reason;
  if (slot.state == State::kBusy) {
    on_change_(slot);
  } else {
    Stop(slot, reason, kInfinite, now);
  }
}

void Workers::Violation(Slot& slot, bool severe, TimePoint now) {
  ++slot.violations;
  if (severe) slot.severe = true;
  Handle(slot, Event::kViolation, {.severe = severe}, Cause::kViolation, now);
}

void Workers::Force(Slot& slot, Cause cause, TimePoint now) {
  slot.retiring = slot.retiring || slot.Alive();
  Handle(slot, Event::kForce, {}, cause, now);
}

std::vector<Delivery> Workers::Gone(Slot& slot, TimePoint now) {
  std::vector<Delivery> rest = std::exchange(slot.in_flight, {});
  Handle(slot, Event::kGone, {}, Cause::kNone, now);
  return rest;
}

void Workers::Heartbeat(Slot& slot, Delivery* delivery, Duration extend, TimePoint now) {
  for (Delivery& one : slot.in_flight) {
    if (delivery != nullptr && &one != delivery) continue;
    WatchStall(slot, one, now);
  }
  if (delivery != nullptr && extend.count() > 0 && delivery->limit_at != kNever &&
      !delivery->timed_out) {
    const Duration left = slot.limits->max_extension - delivery->extended;
    const Duration granted = std::min(extend, left);
    if (granted.count() > 0) {
      delivery->extended += granted;
      delivery->limit_at = After(delivery->limit_at, granted);
    }
  }
  Arm(slot);
}

void Workers::SetUnread(Slot& slot, bool unread, TimePoint now) {
  slot.unread = unread;
  for (Delivery& delivery : slot.in_flight) WatchStall(slot, delivery, now);
  Arm(slot);
}

void Workers::WatchStall(const Slot& slot, Delivery& delivery, TimePoint now) {
  if (delivery.stall.count() == 0 || delivery.started_at == kNever || delivery.timed_out) return;
  delivery.stall_at = slot.unread ? kNever : After(now, delivery.stall);
}

bool Workers::Handle(Slot& slot, Event event, const Facts& facts, Cause cause, TimePoint now) {
  const std::optional<Step> step = Advance(slot.state, event, facts);
  if (!step) return false;
  Apply(slot, *step, cause, now);
  return true;
}

void Workers::Apply(Slot& slot, const Step& step, Cause cause, TimePoint now) {
  auto& out = outbox_.actions;
  slot.state = step.next;
  if (step.Does(Effect::kSpawn)) out.emplace_back(action::Spawn{slot.id});
  if (step.Does(Effect::kSend)) {
    out.emplace_back(action::SendJob{slot.id, &slot.in_flight.back()});
  }
  if (step.Does(Effect::kNotice)) {
    out.emplace_back(action::WorkerStopping{slot.id, slot.stop_reason, step.next});
    out.emplace_back(action::SendNotice{slot.id, slot.stop_reason, Until(now, slot.grace_at)});
  }
  if (step.Does(Effect::kTermIfHandled)) {
    const TermPolicy policy = slot.limits->term;
    if (policy == TermPolicy::kAlways ||
        (policy == TermPolicy::kIfHandled && slot.announced->handles_term)) {
      slot.term_sent = true;
      out.emplace_back(action::SendSignal{slot.id, Rung::kTerm, cause});
    }
  }
  if (step.Does(Effect::kCloseStdin)) {
    slot.eof_at = now;
    out.emplace_back(action::CloseStdin{slot.id});
  }
  if (step.Does(Effect::kTerm)) {
    slot.term_sent = true;
    out.emplace_back(action::SendSignal{slot.id, Rung::kTerm, cause});
  }
  Climb(slot, step, cause, now);
  Arm(slot);
  on_change_(slot);
}

void Workers::Climb(Slot& slot, const Step& step, Cause cause, TimePoint now) {
  auto& out = outbox_.actions;
  if (step.Does(Effect::kAbort)) {
    slot.retiring = true;
    slot.cause = cause;
    slot.rung_at = now;
    const bool timed_out = cause == Cause::kTimeLimit || cause == Cause::kStalled;
    for (Delivery& delivery : slot.in_flight) {
      SendCancel(slot, delivery,
                 timed_out && delivery.timed_out ? CancelReason::kTimeout : CancelReason::kShutdown,
                 now);
    }
    out.emplace_back(action::SendSignal{slot.id, Rung::kAbort, cause});
  }
  if (step.Does(Effect::kKill)) {
    slot.rung_at = now;
    out.emplace_back(action::SendSignal{slot.id, Rung::kKill, cause});
  }
  if (step.Does(Effect::kAlarm) && !slot.replaced) {
    slot.replaced = true;
    out.emplace_back(action::PoolEvent{action::PoolEvent::Kind::kUnkillable, slot.generation,
                                       static_cast<int>(slot.id.value), ""});
  }
}

void Workers::SendCancel(Slot& slot, Delivery& delivery, CancelReason reason, TimePoint now) {
  if (delivery.cancelled_at != kNever) return;
  delivery.cancelled_at = now;
  outbox_.actions.emplace_back(action::SendCancel{slot.id, delivery.id, reason});
}

void Workers::StartRunning(Slot& slot, TimePoint now) {
  const auto running = static_cast<std::size_t>(slot.announced->concurrency);
  const Limits& limits = *slot.limits;
  for (std::size_t i = 0; i < slot.in_flight.size() && i < running; ++i) {
    Delivery& delivery = slot.in_flight[i];
    if (delivery.started_at != kNever) continue;
    delivery.started_at = now;
    const auto at = [now](Duration length) {
      return length.count() > 0 ? After(now, length) : kNever;
    };
    delivery.limit_at = at(delivery.time_limit);
    delivery.soft_at = at(limits.soft_time_limit);
    delivery.slow_at = at(limits.slow_job_threshold);
    WatchStall(slot, delivery, now);
  }
}

TimePoint Workers::StateDeadline(const Slot& slot) {
  const Limits& limits = *slot.limits;
  switch (slot.state) {
    case State::kDown: return kNever;
    case State::kBooting: return After(slot.spawned_at, limits.start_timeout);
    case State::kIdle:
    case State::kBusy:
    case State::kDraining: {
      TimePoint when = slot.state == State::kDraining ? slot.grace_at : kNever;
      if (slot.Open()) when = std::min(when, slot.lifetime_at);
      for (const Delivery& one : slot.in_flight) {
        if (one.started_at == kNever) break;  // Those behind it are parked: no clock runs for them.
        when = std::min({when, one.limit_at, one.soft_at, one.slow_at, one.stall_at});
      }
      return when;
    }
    case State::kClosing: {
      if (slot.start_timed_out) return After(slot.eof_at, limits.flush_check);
      const TimePoint end = std::min(After(slot.eof_at, limits.exit_grace), slot.grace_at);
      if (slot.term_sent || limits.term == TermPolicy::kOff) return end;
      return std::min(end, After(slot.eof_at, limits.term_after_eof));
    }
    case State::kAborting: return After(slot.rung_at, limits.abort_timeout);
    case State::kKilling: return After(slot.rung_at, kKillRepeat);
  }
  return kNever;
}

void Workers::Arm(Slot& slot) {
  slot.deadline = slot.limits == nullptr ? kNever : StateDeadline(slot);
  NoteDeadline(slot.deadline);
}

void Workers::OnDeadline(Slot& slot, TimePoint now) {
  if (slot.deadline > now) return;
  if (slot.Open() && slot.lifetime_at <= now) {
    Retire(slot, StopReason::kLifetime, now);
    Arm(slot);
    if (slot.deadline > now) return;
  }
  Cause cause = Cause::kGraceOver;
  Facts facts;
  switch (slot.state) {
    case State::kDown:
    case State::kIdle: Arm(slot); return;
    case State::kBooting:
      slot.start_timed_out = true;
      slot.cause = cause = Cause::kStartTimeout;
      break;
    case State::kBusy:
    case State::kDraining:
      if (HandleJobDeadlines(slot, now)) return;
      if (slot.state != State::kDraining || slot.grace_at > now) {
        Arm(slot);
        return;
      }
      break;
    case State::kClosing: {
      const bool over = slot.grace_at <= now || After(slot.eof_at, slot.limits->exit_grace) <= now;
      facts.term_pending = !over && !slot.term_sent && !slot.start_timed_out &&
                           slot.limits->term != TermPolicy::kOff;
      cause = facts.term_pending ? Cause::kAsked : Cause::kExitGrace;
      if (slot.start_timed_out) cause = Cause::kStartTimeout;
      break;
    }
    case State::kAborting:
    case State::kKilling: cause = slot.cause; break;
  }
  Handle(slot, Event::kDeadline, facts, cause, now);
}

bool Workers::HandleJobDeadlines(Slot& slot, TimePoint now) {
  for (Delivery& delivery : slot.in_flight) {
    ReportSlow(slot, delivery, now);
    if (delivery.limit_at <= now && EndJobTime(slot, delivery, Cause::kTimeLimit, now)) return true;
    if (delivery.stall_at <= now && EndJobTime(slot, delivery, Cause::kStalled, now)) return true;
  }
  return false;
}

void Workers::ReportSlow(Slot& slot, Delivery& delivery, TimePoint now) {
  const bool soft = delivery.soft_at <= now;
  if (!soft && delivery.slow_at > now) return;
  (soft ? delivery.soft_at : delivery.slow_at) = kNever;
  const Job& job = delivery.job.get();
  outbox_.actions.emplace_back(
      action::JobSlow{slot.id, job.id, job.task,
                      std::chrono::duration_cast<Duration>(now - delivery.started_at), soft});
  if (soft && slot.announced->cancel) SendCancel(slot, delivery, CancelReason::kTimeout, now);
}

/// A cancel-capable worker is told first and has a short grace; any other goes up the ladder now.
/// True when the worker was put on the abort rung (its deliveries may have moved on).
bool Workers::EndJobTime(Slot& slot, Delivery& delivery, Cause cause, TimePoint now) {
  delivery.timed_out = true;
  delivery.ended_by = cause;
  delivery.stall_at = kNever;
  if (slot.announced->cancel && delivery.cancelled_at == kNever) {
    SendCancel(slot, delivery, CancelReason::kTimeout, now);
    delivery.limit_at = After(now, slot.limits->cancel_grace);
    return false;
  }
  delivery.limit_at = kNever;
  Handle(slot, Event::kDeadline, {}, cause, now);
  return true;
}

}  // namespace workmand
