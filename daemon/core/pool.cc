#include "daemon/core/pool.h"

#include <algorithm>
#include <utility>

namespace workmand {
namespace {

/// A worker that lived so long, or finished a job, did not fail to start.
constexpr Duration kProvenLife{60'000};
/// sysexits.h: try again later; and: the configuration is wrong, trying again is no use.
constexpr int kExitTempFail = 75;
constexpr int kExitConfig = 78;

using Kind = action::PoolEvent::Kind;

}  // namespace

Pool::Pool(Workers& workers, Dispatcher& dispatcher, Outbox& outbox, Random& random)
    : workers_(workers), dispatcher_(dispatcher), outbox_(outbox), random_(random) {}

void Pool::Begin(std::shared_ptr<const Limits> limits) {
  limits_ = std::move(limits);
  dispatcher_.SetLimits(limits_);
  ResetTarget();
}

void Pool::ResetTarget() {
  target_ = std::min(limits_->min_workers, limits_->max_workers);
}

std::optional<Generation> Pool::pending() const {
  if (!pending_) return std::nullopt;
  return pending_->generation;
}

void Pool::Emit(Kind kind, Generation generation, int number, std::string why) {
  outbox_.actions.emplace_back(action::PoolEvent{kind, generation, number, std::move(why)});
}

Pool::Census Pool::Count() const {
  Census census;
  for (const auto& slot : workers_.slots()) {
    if (!slot->Alive() || slot->replaced) continue;
    ++census.alive;
    if (pending_ && slot->generation == pending_->generation) {
      census.pending += slot->retiring ? 0 : 1;
    } else if (slot->generation == committed_) {
      // One that failed to start keeps its place until it has gone: the next try waits for that.
      if (slot->retiring && (slot->ever_ready || slot->told)) continue;
      ++census.current;
      census.current_ready += slot->ever_ready ? 1 : 0;
      census.current_booting += slot->ever_ready ? 0 : 1;
    } else if (slot->retiring) {
      ++(slot->in_flight.empty() ? census.old_leaving : census.old_draining);
    } else {
      ++census.old;
    }
  }
  return census;
}

void Pool::StartOne(Generation generation, const std::shared_ptr<const Limits>& limits,
                    TimePoint now) {
  last_start_ = now;
  const int max_jobs = DrawMaxJobs(limits->max_jobs, limits->max_jobs_jitter, random_.Fraction());
  workers_.Start(workers_.Claim(), generation, limits, max_jobs, now);
}

bool Pool::MayStart(TimePoint now) const {
  if (hold_ || now < next_start_) return false;
  return last_start_ == TimePoint::min() || After(last_start_, limits_->spawn_interval) <= now;
}

void Pool::Balance(TimePoint now) {
  if (stopped_) return;
  Census census = Count();
  if (stopping()) {
    if (census.alive > 0) return;
    stopped_ = true;
    Emit(Kind::kStopped, committed_, 0, "");
    return;
  }
  if (pending_) {
    const int canaries = std::max(1, pending_->limits->max_surge);
    while (census.pending < canaries && now >= pending_->next_start) {
      StartOne(pending_->generation, pending_->limits, now);
      ++census.pending;
    }
  }
  AdjustDynamic(census, now);
  StartMissing(census, now);
  RetireSurplus(census, now);
  RollOn(census, now);
}

void Pool::AdjustDynamic(Census& census, TimePoint now) {
  const Limits& limits = *limits_;
  if (limits.min_workers >= limits.max_workers) return;
  if (CanGrow() && dispatcher_.has_unserved() && census.current_booting == 0 && !degraded_) {
    target_ = std::max(target_, census.current) + 1;
    return;
  }
  if (limits.idle_timeout.count() == 0) return;
  while (target_ > limits.min_workers) {
    Slot* idle = LongestIdle(committed_, false);
    if (idle == nullptr || After(idle->idle_since, limits.idle_timeout) > now) return;
    --target_;
    --census.current;
    --census.current_ready;
    workers_.Stop(*idle, StopReason::kIdle, kInfinite, now);
  }
}

bool Pool::CanGrow() const {
  return limits_->min_workers < limits_->max_workers && target_ < limits_->max_workers;
}

void Pool::StartMissing(Census& census, TimePoint now) {
  const int room = target_ + limits_->max_surge;
  while (census.current < target_ && MayStart(now)) {
    if (rolling_ && census.current + census.old >= room) return;
    // A degraded pool tries with one worker at a time.
    if (degraded_ && census.current_booting > 0) return;
    StartOne(committed_, limits_, now);
    ++census.current;
    ++census.current_booting;
  }
}

void Pool::RetireSurplus(Census& census, TimePoint now) {
  while (census.current > target_ && !rolling_) {
    Slot* goes = nullptr;
    for (const auto& slot : workers_.slots()) {
      if (slot->Alive() && slot->generation == committed_ && !slot->retiring &&
          slot->state == State::kBooting) {
        goes = slot.get();
      }
    }
    if (goes == nullptr) goes = LongestIdle(committed_, false);
    if (goes == nullptr) {  // all are busy: the highest slot goes after its job
      for (const auto& slot : workers_.slots()) {
        if (slot->Open() && slot->generation == committed_) goes = slot.get();
      }
    }
    if (goes == nullptr) return;
    workers_.Retire(*goes, StopReason::kScale, now);
    --census.current;
  }
}

Slot* Pool::LongestIdle(Generation generation, bool older) {
  Slot* longest = nullptr;
  for (const auto& slot : workers_.slots()) {
    if (slot->state != State::kIdle || slot->retiring) continue;
    if (older ? slot->generation == generation : slot->generation != generation) continue;
    if (longest == nullptr || slot->idle_since < longest->idle_since) longest = slot.get();
  }
  return longest;
}

void Pool::Scale(int workers, TimePoint now) {
  target_ = std::max(0, workers);
  Balance(now);
}

void Pool::Stop(int step, TimePoint now) {
  if (step <= stop_step_) return;
  const bool first = stop_step_ == 0;
  stop_step_ = step;
  if (first) {
    pending_.reset();
    rolling_ = false;
    dispatcher_.Close();
  }
  for (const auto& slot : workers_.slots()) {
    if (!slot->Alive()) continue;
    // QUIT goes to the abort rung with nothing before it: a TERM in the same moment would reach the
    // worker after the ABRT.
    if (first && step == 1) {
      workers_.Stop(*slot, StopReason::kStop, limits_->graceful_stop, now);
    }
    const auto climbing = [&] {
      return slot->state == State::kAborting || slot->state == State::kKilling;
    };
    if (step >= 2 && !climbing()) workers_.Force(*slot, Cause::kForced, now);
    if (step >= 3 && slot->state == State::kAborting) workers_.Force(*slot, Cause::kForced, now);
  }
}

void Pool::OnReady(Slot& slot, TimePoint now) {
  if (!served_) {
    served_ = true;
    Emit(Kind::kServing, slot.generation, target_, "");
  }
  if (pending_ && slot.generation == pending_->generation) {
    Commit(now);
    return;
  }
  if (slot.generation != committed_) return;
  tempfails_ = 0;
  if (failed_after_ready_) return;
  failures_ = 0;
  next_start_ = now;
  Recover();
}

void Pool::OnJobFinished(Slot& slot) {
  if ((failures_ == 0 && !degraded_) || slot.generation != committed_) return;
  failures_ = 0;
  failed_after_ready_ = false;
  Recover();
}

void Pool::OnGone(Slot& slot, const Exit& exit, TimePoint now) {
  const bool unasked = !slot.told && slot.cause != Cause::kForced &&
                       slot.cause != Cause::kTimeLimit && slot.cause != Cause::kStalled;
  const bool proven =
      slot.ever_ready && (slot.jobs_finished > 0 || After(slot.spawned_at, kProvenLife) <= now);
  const auto place = static_cast<std::ptrdiff_t>(outbox_.actions.size());
  int failure = 0;
  if (unasked && !proven) {
    if (!exit.counted) CountFailure(slot, exit, now);
    failure = std::max(1, failures_);
  } else if (unasked) {
    next_start_ = std::max(next_start_, After(now, limits_->respawn_min));
  }
  // The log tells the failure before what follows from it.
  outbox_.actions.emplace(outbox_.actions.begin() + place,
                          action::WorkerEnded{slot.id, exit.how, failure});
}

void Pool::CountFailure(const Slot& slot, const Exit& exit, TimePoint now) {
  const bool hopeless = !slot.ever_ready && (exit.unusable || exit.code == kExitConfig);
  const std::string what =
      exit.unusable ? exit.how : "a worker ended before it could work: " + exit.how;
  if (pending_ && slot.generation == pending_->generation) {
    ++pending_->failures;
    pending_->next_start = After(now, Backoff(*pending_->limits, pending_->failures));
    const int most = pending_->limits->max_start_failures;
    if (hopeless || (most > 0 && pending_->failures >= most)) {
      RollBack(what, now);
    }
    return;
  }
  if (slot.generation != committed_) return;
  if (!slot.ever_ready && exit.code == kExitTempFail) {
    ++tempfails_;
  } else {
    ++failures_;
  }
  failed_after_ready_ = slot.ever_ready;
  next_start_ = std::max(next_start_, After(now, Backoff(*limits_, failures_ + tempfails_)));
  if (hopeless) {
    hold_ = true;
    Degrade(what + "; no worker is started until the profile is reloaded");
  } else if (limits_->max_start_failures > 0 && failures_ >= limits_->max_start_failures) {
    next_start_ = std::max(next_start_, After(now, limits_->respawn_max));
    Degrade(std::to_string(failures_) + " start failures in a row; " + what);
  }
}

void Pool::Hold(const Slot& slot, const std::string& why, TimePoint now) {
  // What an older generation cannot run, the one that took over may.
  if (slot.generation != committed_ || stopping() || hold_) return;
  hold_ = true;
  Degrade(why + "; no job is taken until the profile is reloaded");
  for (const auto& one : workers_.slots()) {
    if (one->Alive() && one->generation == committed_) {
      workers_.Retire(*one, StopReason::kRetire, now);
    }
  }
}

Duration Pool::Backoff(const Limits& limits, int failures) const {
  const RetryBackoff backoff{limits.respawn_min, limits.respawn_max, 2, 0};
  return RetryDelay(backoff, failures, 0);
}

void Pool::Degrade(std::string why) {
  why_degraded_ = std::move(why);
  if (degraded_) return;
  degraded_ = true;
  Emit(Kind::kDegraded, committed_, failures_, why_degraded_);
}

void Pool::Recover() {
  if (!degraded_ || hold_) return;
  degraded_ = false;
  why_degraded_.clear();
  Emit(Kind::kRecovered, committed_, 0, "");
}

TimePoint Pool::NextDeadline() const {
  if (stopping()) return kNever;
  TimePoint when = kNever;
  const Census census = Count();
  if (pending_ && census.pending < std::max(1, pending_->limits->max_surge))
    when = std::min(when, pending_->next_start);
  if (census.current < target_ && !hold_) {
    TimePoint start = next_start_;
    if (last_start_ != TimePoint::min()) {
      start = std::max(start, After(last_start_, limits_->spawn_interval));
    }
    const bool blocked =
        (rolling_ && census.current + census.old >= target_ + limits_->max_surge) ||
        (degraded_ && census.current_booting > 0);
    if (!blocked) when = std::min(when, start);
  }
  if (limits_->min_workers < limits_->max_workers && target_ > limits_->min_workers &&
      limits_->idle_timeout.count() > 0) {
    for (const auto& slot : workers_.slots()) {
      if (slot->state == State::kIdle && !slot->retiring && slot->generation == committed_) {
        when = std::min(when, After(slot->idle_since, limits_->idle_timeout));
      }
    }
  }
  return when;
}

}  // namespace workmand
