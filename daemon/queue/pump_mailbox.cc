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
  std::unique_lock lock(mutex_);
  WakeThreadAfter(lock, Add(updates, urgent));
}

void PumpMailbox::Grant(std::uint64_t total) {
  std::unique_lock lock(mutex_);
  WakeThreadAfter(lock, AddCredit(total));
}

void PumpMailbox::Post(std::vector<Update>& updates, bool urgent, std::uint64_t total) {
  std::unique_lock lock(mutex_);
  const bool posted = Add(updates, urgent);
  const bool granted = AddCredit(total);
  WakeThreadAfter(lock, posted || granted);
}

bool PumpMailbox::Add(std::vector<Update>& updates, bool urgent) {
  MoveInto(updates, updates_);
  urgent_ = urgent_ || urgent;
  last_post_urgent_ = urgent;
  return PostWakes(waiting_, urgent, updates_.size());
}

bool PumpMailbox::AddCredit(std::uint64_t total) {
  granted_ = std::max(granted_, total);
  return granted_ > handed_out_ && GrantWakes(waiting_, starved_, last_post_urgent_);
}

void PumpMailbox::Subscribe(std::vector<Subscription> tasks) {
  std::unique_lock lock(mutex_);
  tasks_ = std::move(tasks);
  WakeThreadAfter(lock, true);
}

void PumpMailbox::AskDepth() {
  std::unique_lock lock(mutex_);
  ask_depth_ = true;
  WakeThreadAfter(lock, true);
}

void PumpMailbox::Stop() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  WakeThreadAfter(lock, true);
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
  std::unique_lock lock(mutex_);
  waiting_ = Waiting::kNot;
  const bool woken = std::exchange(thread_woken_, false);
  MoveInto(updates_, round.updates);
  urgent_ = false;
  if (tasks_) round.tasks = std::exchange(tasks_, std::nullopt);
  round.ask_depth = std::exchange(ask_depth_, false);
  round.stop = stop_;
  round.credit = granted_ > handed_out_ ? granted_ - handed_out_ : 0;
  lock.unlock();
  // The wake-up was decided under the lock and comes for certain, if it has not come yet. No other
  // can be on its way: this thread does not wait.
  if (woken) waker_.TakeSure();
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

void PumpMailbox::WakeThreadAfter(std::unique_lock<std::mutex>& lock, bool wake) {
  const bool sleeps = waiting_ != Waiting::kNot && !thread_woken_;
  if (!wake || !sleeps) return;
  thread_woken_ = true;
  lock.unlock();
  waker_.Wake();
}

void PumpMailbox::WakeLoopAfter(std::unique_lock<std::mutex>& lock) {
  const bool woken = std::exchange(loop_woken_, true);
  lock.unlock();
  if (!woken) wake_loop_();
}

}  // namespace workmand
