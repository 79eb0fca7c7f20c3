#include "daemon/queue/pump_thread.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace workmand {
namespace {

/// What no driver answers: finds the updates that a driver left unanswered.
constexpr auto kUnanswered = static_cast<Applied>(0xFF);
/// However often a driver wants its Tick, the thread does not spin.
constexpr Duration kShortestTick{10};

bool IsBestEffort(Update::Kind kind) {
  return kind == Update::Kind::kProgress || kind == Update::Kind::kData;
}

}  // namespace

PumpThread::PumpThread(std::unique_ptr<Queue> driver, const PumpOptions& options,
                       PumpMailbox& mailbox)
    : session_(std::move(driver), options),
      options_(options),
      mailbox_(mailbox),
      caps_(session_.driver().GetCaps()) {}

void PumpThread::Run() {
  for (;;) {
    mailbox_.Take(round_);
    busy_ = !round_.updates.empty();
    std::move(round_.updates.begin(), round_.updates.end(), std::back_inserter(pending_));
    round_.updates.clear();
    depth_asked_ = depth_asked_ || round_.ask_depth;
    if (round_.stop) break;
    if (session_.up()) {
      if (!session_.Run([this] { Turn(); })) LoseSession();
    } else if (Clock::now() >= session_.retry_at()) {
      TryConnect();
    } else {
      WaitForRetry();
    }
  }
  Finish();
}

void PumpThread::TryConnect() {
  if (session_.Connect()) {
    next_tick_ = Clock::now();
    next_renewal_ = held_.empty() ? kNever : next_tick_;
  }
  PublishState();
}

void PumpThread::LoseSession() {
  const bool survive = caps_.Has(Cap::kHoldSurvives);
  // Tokens that came with the batch in hand are as good, or as dead, as the others.
  if (survive) {
    Deliver();
  } else {
    jobs_.clear();
    held_.clear();
    AnswerPendingAsLost(true);
  }
  mailbox_.PushApplied(report_);
  mailbox_.PushSessionLost(survive, session_.error());
  PublishState();
}

void PumpThread::PublishState() {
  PumpState now;
  now.link = session_.link();
  now.error = session_.error();
  if (now == state_) return;
  state_ = std::move(now);
  mailbox_.PushState(state_);
}

void PumpThread::Turn() {
  Queue& driver = session_.driver();
  if (round_.tasks) {
    driver.RegisterTasks(*round_.tasks);
    round_.tasks.reset();
  }
  if (!pending_.empty()) driver.WillDequeue(FetchSize());
  ApplyPending();
  if (Clock::now() >= next_renewal_) RenewLeases();
  mailbox_.PushApplied(report_);
  if (Clock::now() >= next_tick_) {
    next_tick_ = After(Clock::now(), std::max(driver.Tick(), kShortestTick));
  }
  if (depth_asked_) MeasureDepth();
  Fetch();
}

void PumpThread::ApplyPending() {
  while (answered_ < pending_.size()) {
    const std::span<const Update> all(pending_);
    const auto batch = all.subspan(answered_, std::min(kBatch, all.size() - answered_));
    ApplyBatch(batch);
    answered_ += batch.size();
  }
  pending_.clear();
  answered_ = 0;
}

void PumpThread::ApplyBatch(std::span<const Update> batch) {
  answers_.assign(batch.size(), kUnanswered);
  try {
    session_.driver().Apply(batch, answers_);
  } catch (const Rejected&) {
    // One of them is to blame: those that have no answer yet are tried one by one.
    ApplyEach(batch, answers_);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Applied answer = answers_[i] == kUnanswered ? Applied::kLost : answers_[i];
    Report(batch[i], answer);
  }
}

void PumpThread::ApplyEach(std::span<const Update> batch, std::span<Applied> answers) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (answers[i] != kUnanswered) continue;
    try {
      session_.driver().Apply(batch.subspan(i, 1), answers.subspan(i, 1));
    } catch (const Rejected&) {
      answers[i] = Applied::kRefused;
    }
  }
}

void PumpThread::Report(const Update& update, Applied answer) {
  if (IsSettlement(update.kind)) {
    // Refused means not settled: the job is still ours, and its lease is renewed on.
    if (answer != Applied::kRefused) held_.erase(update.token);
    if (answer == Applied::kOk && update.source == 0) return;  // Nobody wants to know.
    report_.push_back({update.token, update.kind, answer, update.source, update.bytes.size()});
  } else if (update.kind == Update::Kind::kData && update.source != 0) {
    report_.push_back({update.token, update.kind, answer, update.source, update.bytes.size()});
  } else if (update.kind == Update::Kind::kExtend && answer == Applied::kLost) {
    if (held_.erase(update.token) > 0) {
      report_.push_back({update.token, update.kind, answer, 0, 0});
    }
  }
}

void PumpThread::RenewLeases() {
  std::vector<Update> renewals;
  renewals.reserve(held_.size());
  for (const Token token : held_) {
    Update& renewal = renewals.emplace_back();
    renewal.token = token;
    renewal.kind = Update::Kind::kExtend;
    renewal.delay = options_.lease_time;
  }
  for (std::size_t done = 0; done < renewals.size(); done += kBatch) {
    const std::span<const Update> all(renewals);
    ApplyBatch(all.subspan(done, std::min(kBatch, all.size() - done)));
  }
  next_renewal_ = held_.empty() ? kNever : After(Clock::now(), options_.lease_time / 3);
}

std::size_t PumpThread::FetchSize() const {
  return static_cast<std::size_t>(std::min<std::uint64_t>(round_.credit, kBatch));
}

void PumpThread::Fetch() {
  const std::size_t n = FetchSize();
  const WaitPlan plan =
      PlanWait({busy_, options_.dequeue_interval, next_tick_, next_renewal_}, Clock::now());
  const bool may_wait = mailbox_.StartWait(plan.waiting, n == 0);
  const Duration timeout = may_wait ? plan.timeout : Duration{0};
  if (n == 0) {
    if (may_wait) (void)mailbox_.waker().Wait(-1, 0, timeout);
    return;
  }
  session_.driver().Dequeue(jobs_, n, timeout, mailbox_.waker());
  Deliver();
}

void PumpThread::Deliver() {
  if (jobs_.empty()) return;
  if (caps_.Has(Cap::kLease)) {
    if (held_.empty()) next_renewal_ = After(Clock::now(), options_.lease_time / 3);
    for (const Job& job : jobs_) held_.insert(job.token);
  }
  next_tick_ = std::min(next_tick_, session_.driver().TickDue());
  mailbox_.PushJobs(jobs_);
}

void PumpThread::MeasureDepth() {
  Queue& driver = session_.driver();
  if (caps_.Has(Cap::kCount)) state_.depth = driver.Size("");
  state_.oldest_ms = driver.OldestMs();
  depth_asked_ = false;
  mailbox_.PushState(state_);
}

void PumpThread::AnswerPendingAsLost(bool all) {
  std::vector<Update> kept;
  for (std::size_t i = answered_; i < pending_.size(); ++i) {
    Update& update = pending_[i];
    if (all || IsBestEffort(update.kind)) {
      Report(update, Applied::kLost);
    } else {
      kept.push_back(std::move(update));
    }
  }
  pending_ = std::move(kept);
  answered_ = 0;
}

void PumpThread::WaitForRetry() {
  // Where holds survive, settlements wait for the link; a sign of progress would be stale by then.
  AnswerPendingAsLost(!caps_.Has(Cap::kHoldSurvives));
  mailbox_.PushApplied(report_);
  if (std::exchange(depth_asked_, false)) mailbox_.PushState(state_);
  if (!mailbox_.StartWait(Waiting::kLong, false)) return;
  (void)mailbox_.waker().Wait(-1, 0, Until(Clock::now(), session_.retry_at()));
}

void PumpThread::Finish() {
  // What the loop will never take goes back now, not when its lease ends.
  for (const Job& job : mailbox_.TakeBackJobs()) {
    Update& update = pending_.emplace_back();
    update.token = job.token;
    update.kind = Update::Kind::kAbort;
    update.never_ran = true;
  }
  const bool keeps = caps_.Has(Cap::kHoldSurvives);
  if (!session_.up() && keeps && !pending_.empty()) (void)session_.Connect();
  if (session_.up()) (void)session_.Run([this] { ApplyPending(); });
  AnswerPendingAsLost(true);
  mailbox_.PushApplied(report_);
  session_.Disconnect();
  PublishState();
}

}  // namespace workmand
