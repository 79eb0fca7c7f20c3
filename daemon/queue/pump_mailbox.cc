#include "daemon/queue/pump_mailbox.h"

namespace workmand {
namespace {

template <typename T>
void MoveInto(std::vector<T>& from, std::vector<T>& to) {
  if (to.empty()) {
    to.swap(from);
  } else {
    std::move(from.begin(), from.end(), std::back_inserter(to));
  }
  from.clear();
}

}  // namespace

void PumpBatch::Clear() {
  jobs.clear();
  applied.clear();
  session_lost = false;
  lost_because.clear();
  state.reset();
}

void PumpMailbox::Post(std::vector<Update>& updates, bool urgent) {
  const std::lock_guard lock(mutex_);
  MoveInto(updates, updates_);
  urgent_ = urgent_ || urgent;
  last_post_urgent_ = urgent;
  if (PostWakes(waiting_, urgent, updates_.size())) WakeThread();
}

void PumpMailbox::Grant(std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  granted_ = std::max(granted_, total);
  const bool credit = granted_ > handed_out_;
  if (credit && GrantWakes(waiting_, starved_, last_post_urgent_)) WakeThread();
}

void PumpMailbox::Subscribe(std::vector<Subscription> tasks) {
  const std::lock_guard lock(mutex_);
  tasks_ = std::move(tasks);
  WakeThread();
}

void PumpMailbox::AskDepth() {
  const std::lock_guard lock(mutex_);
  ask_depth_ = true;
  WakeThread();
}

void PumpMailbox::Stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  WakeThread();
}

void PumpMailbox::Drain(PumpBatch& out) {
  const std::lock_guard lock(mutex_);
  MoveInto(out_.jobs, out.jobs);
  MoveInto(out_.applied, out.applied);
  if (out_.session_lost) {
    out.session_lost = true;
    out.lost_because = std::move(out_.lost_because);
  }
  if (out_.state) out.state = std::move(out_.state);
  out_.Clear();
  loop_woken_ = false;
}

void PumpMailbox::Take(Round& round) {
  const std::lock_guard lock(mutex_);
  waiting_ = Waiting::kNot;
  if (thread_woken_) (void)waker_.Take();
  thread_woken_ = false;
  MoveInto(updates_, round.updates);
  urgent_ = false;
  if (tasks_) round.tasks = std::exchange(tasks_, std::nullopt);
  round.ask_depth = std::exchange(ask_depth_, false);
  round.stop = stop_;
  round.credit = granted_ > handed_out_ ? granted_ - handed_out_ : 0;
}

bool PumpMailbox::StartWait(Waiting waiting, bool starved) {
  const std::lock_guard lock(mutex_);
  const bool has_updates = PostWakes(waiting, urgent_, updates_.size()) && !updates_.empty();
  const bool has_credit = starved && granted_ > handed_out_;
  if (has_updates || urgent_ || has_credit || tasks_ || ask_depth_ || stop_) return false;
  waiting_ = waiting;
  starved_ = starved;
  return true;
}

void PumpMailbox::PushJobs(std::vector<Job>& jobs) {
  if (jobs.empty()) return;
  std::unique_lock lock(mutex_);
  handed_out_ += jobs.size();
  MoveInto(jobs, out_.jobs);
  WakeLoopAfter(lock);
}

void PumpMailbox::PushApplied(std::vector<AppliedUpdate>& applied) {
  if (applied.empty()) return;
  std::unique_lock lock(mutex_);
  MoveInto(applied, out_.applied);
  WakeLoopAfter(lock);
}

void PumpMailbox::PushState(const PumpState& state) {
  std::unique_lock lock(mutex_);
  out_.state = state;
  WakeLoopAfter(lock);
}

void PumpMailbox::PushSessionLost(bool tokens_survive, const std::string& why) {
  std::unique_lock lock(mutex_);
  out_.session_lost = true;
  out_.lost_because = why;
  if (!tokens_survive) {
    handed_out_ -= out_.jobs.size();
    out_.jobs.clear();
  }
  WakeLoopAfter(lock);
}

std::vector<Job> PumpMailbox::TakeBackJobs() {
  const std::lock_guard lock(mutex_);
  handed_out_ -= out_.jobs.size();
  return std::exchange(out_.jobs, {});
}

void PumpMailbox::WakeThread() {
  if (waiting_ == Waiting::kNot || thread_woken_) return;
  thread_woken_ = true;
  waker_.Wake();
}

void PumpMailbox::WakeLoopAfter(std::unique_lock<std::mutex>& lock) {
  const bool woken = std::exchange(loop_woken_, true);
  lock.unlock();
  if (!woken) wake_loop_();
}

}  // namespace workmand
