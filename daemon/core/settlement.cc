// What an outcome means for the queue: the second half of the dispatcher.
#include <memory>
#include <utility>

#include "daemon/core/dispatcher.h"

namespace workmand {
namespace {

/// Retries in hand beyond this go back to the queue.
constexpr std::size_t kMostRetriesInHand = 1000;

Update Begin(const HeldJob& job, Update::Kind kind, std::string bytes) {
  Update update;
  update.token = job.get().token;
  update.kind = kind;
  update.bytes = std::move(bytes);
  return update;
}

/// What the queue's side may write down of a job that ended badly and will run again.
std::shared_ptr<const Job> NextTry(const Job& job) {
  auto next = std::make_shared<Job>();
  next->token = job.token;
  next->id = job.id;
  next->task = job.task;
  next->attempt = job.attempt + 1;
  next->deliveries = job.deliveries + 1;
  return next;
}

}  // namespace

void Dispatcher::Settle(Slot& slot, Delivery& delivery, OutcomeReport& report, TimePoint now) {
  MeasureRun(delivery, now);
  Delivery taken = workers_.TakeOutcome(slot, delivery, now);
  --in_flight_;
  if (report.kind == Outcome::kDone) {
    ++counts_.done;
    const std::string_view result =
        taken.job.get().drops_result ? std::string_view() : report.bytes;
    Update update = Begin(taken.job, Update::Kind::kDone, std::string(result));
    if (report.enqueue.empty()) return Push(std::move(taken.job), std::move(update));
    update.enqueue = std::move(report.enqueue);
    const JobPolicy policy = Resolve(taken.job.get(), *limits_, slot.announced.get());
    return Push(std::move(taken.job), std::move(update), &policy);
  }
  const JobPolicy policy = Resolve(taken.job.get(), *limits_, slot.announced.get());
  if (taken.timed_out) {
    report.bytes = {};
    report.message = ToString(taken.ended_by);
    report.limit = taken.time_limit;
    report.retry.reset();
    report.delay.reset();
    Fail(&slot, std::move(taken.job), policy, Outcome::kTimeout, report, now);
  } else if (report.kind == Outcome::kAbort && slot.severe) {
    // It hands the job back because it is being ended for what it did itself.
    report.bytes = {};
    report.code = "protocol_error";
    report.message = ToString(Cause::kViolation);
    report.retry.reset();
    report.delay.reset();
    Fail(&slot, std::move(taken.job), policy, Outcome::kLost, report, now);
  } else if (report.kind == Outcome::kAbort) {
    AbortJob(&slot, std::move(taken.job), policy, report, now);
  } else {
    Fail(&slot, std::move(taken.job), policy, report.kind, report, now);
  }
}

void Dispatcher::SettleRest(const Slot& slot, std::vector<Delivery> rest, const WorkerEnd& end,
                            TimePoint now) {
  const bool by_us = end.asked_signal ||
                     (slot.rung_at != kNever && !slot.severe && slot.cause != Cause::kStdoutClosed);
  for (Delivery& delivery : rest) {
    --in_flight_;
    const JobPolicy policy = Resolve(delivery.job.get(), *limits_, slot.announced.get());
    OutcomeReport report;
    report.last_words = end.last_words;
    std::string message = "the worker ended while it ran the job: ";
    message += end.how;
    const std::string cause(ToString(delivery.timed_out ? delivery.ended_by : slot.cause));
    if (!end.note.empty())
      message = (delivery.timed_out ? cause + ": " : "") + std::string(end.note);
    if (delivery.undelivered || delivery.started_at == kNever) {
      report.message = "never started";
      Report(&slot, delivery.job.get(), Outcome::kAbort, action::JobEnded::Next::kBack, {}, report);
      GiveBack(std::move(delivery.job));
    } else if (delivery.timed_out) {
      report.message = end.note.empty() ? cause : message;
      report.limit = delivery.time_limit;
      Fail(&slot, std::move(delivery.job), policy, Outcome::kTimeout, report, now);
    } else if (by_us) {
      report.message = end.asked_signal ? ToString(Cause::kAsked) : cause;
      AbortJob(&slot, std::move(delivery.job), policy, report, now);
    } else {
      report.message = message;
      if (!end.broke.empty()) {
        report.code = "protocol_error";
        report.message = end.broke;
      }
      Fail(&slot, std::move(delivery.job), policy, Outcome::kLost, report, now);
    }
  }
}

void Dispatcher::Fail(const Slot* slot, HeldJob job, const JobPolicy& policy, Outcome outcome,
                      OutcomeReport& report, TimePoint now) {
  using Next = action::JobEnded::Next;
  counts_.fail += outcome == Outcome::kFail ? 1 : 0;
  counts_.lost += outcome == Outcome::kLost ? 1 : 0;
  counts_.timeout += outcome == Outcome::kTimeout ? 1 : 0;
  const bool dead = !report.retry.value_or(true) ||
                    IsExhausted(job.get(), policy.max_attempts, limits_->max_aborts);
  const Duration delay =
      dead ? Duration{0}
           : report.delay.value_or(RetryDelay(policy.retry, job.get().attempt, random_.Fraction()));
  Report(slot, job.get(), outcome, dead ? Next::kDead : Next::kRetry, delay, report);
  if (dead) ++counts_.dead;
  if (!dead && !traits_.retry_delay) {
    if (closed_ || later_.size() >= kMostRetriesInHand) {
      Update update = Begin(job, Update::Kind::kAbort, "");
      update.job = NextTry(job.get());
      Push(std::move(job), std::move(update));
      return;
    }
    Update note = Begin(job, Update::Kind::kExtend, "");
    note.job = NextTry(job.get());
    outbox_.updates.push_back(std::move(note));
    ++job.get().attempt;
    ++job.get().deliveries;
    later_.emplace(After(now, delay), std::move(job));
    return;
  }
  std::string_view code = report.code.empty() ? "lost" : report.code;
  if (outcome == Outcome::kTimeout) code = "timeout";
  Update update = Begin(job, Update::Kind::kFail,
                        report.bytes.empty() ? make_error_(code, report.message, report.last_words)
                                             : std::string(report.bytes));
  update.retry = !dead;
  update.delay = delay;
  update.enqueue = std::move(report.enqueue);
  if (dead) update.job = std::make_shared<const Job>(job.get());
  Push(std::move(job), std::move(update), &policy);
}

void Dispatcher::AbortJob(const Slot* slot, HeldJob job, const JobPolicy& policy,
                          OutcomeReport& report, TimePoint now) {
  using Next = action::JobEnded::Next;
  using OnAbort = TaskAnnouncement::OnAbort;
  const OnAbort wanted =
      report.requeue ? (*report.requeue ? OnAbort::kRequeue : OnAbort::kDrop) : policy.on_abort;
  if (wanted == OnAbort::kFail || AbortCounts(job.get(), limits_->max_aborts)) {
    report.bytes = {};
    Fail(slot, std::move(job), policy, Outcome::kFail, report, now);
    return;
  }
  ++counts_.abort;
  const bool drop = wanted == OnAbort::kDrop;
  const Duration delay = report.delay.value_or(Duration{0});
  Report(slot, job.get(), Outcome::kAbort, drop ? Next::kGone : Next::kBack, delay, report);
  Update update = Begin(job, drop ? Update::Kind::kDone : Update::Kind::kAbort, drop ? "null" : "");
  update.delay = delay;
  update.enqueue = std::move(report.enqueue);
  Push(std::move(job), std::move(update), &policy);
}

bool Dispatcher::OnAnswered(Token token, bool refused) {
  using Next = action::JobEnded::Next;
  const auto node = riding_.extract(token);
  if (node.empty()) return false;
  if (!refused) return true;
  const Job& job = *node.mapped().job;
  const JobPolicy& policy = node.mapped().policy;
  const bool dead =
      node.mapped().dead || IsExhausted(job, policy.max_attempts, limits_->max_aborts);
  OutcomeReport report;
  report.message = "a follow-up job was refused by the queue";
  Update update;
  update.token = token;
  if (!dead && !traits_.retry_delay) {
    // Nobody waits with it, and nobody but the ledger counts.
    update.kind = Update::Kind::kAbort;
    update.job = NextTry(job);
  } else {
    update.kind = Update::Kind::kFail;
    update.bytes = make_error_("enqueue_failed", report.message, {});
    update.retry = !dead;
    if (dead) update.job = node.mapped().job;
    if (!dead) update.delay = RetryDelay(policy.retry, job.attempt, random_.Fraction());
  }
  if (dead) ++counts_.dead;
  Report(nullptr, job, Outcome::kFail, dead ? Next::kDead : Next::kRetry, update.delay, report);
  outbox_.updates.push_back(std::move(update));
  return true;
}

void Dispatcher::GiveBack(HeldJob job) {
  ++counts_.returned;
  Update update = Begin(job, Update::Kind::kAbort, "");
  update.never_ran = true;
  Push(std::move(job), std::move(update));
}

void Dispatcher::Push(HeldJob job, Update update, const JobPolicy* policy) {
  ++counts_.settled;
  if (policy != nullptr && !update.enqueue.empty()) {
    const bool dead = update.kind == Update::Kind::kFail && !update.retry;
    riding_.insert_or_assign(update.token,
                             Riding{std::make_shared<const Job>(job.get()), *policy, dead});
  }
  outbox_.urgent = outbox_.urgent || job.get().wants_result;
  job.Release();
  outbox_.updates.push_back(std::move(update));
}

void Dispatcher::Report(const Slot* slot, const Job& job, Outcome outcome,
                        action::JobEnded::Next next, Duration delay, const OutcomeReport& report) {
  outbox_.actions.emplace_back(action::JobEnded{slot == nullptr ? SlotId{} : slot->id, job.id,
                                                job.task, job.attempt, outcome, next, delay,
                                                report.limit, std::string(report.message)});
}

}  // namespace workmand
