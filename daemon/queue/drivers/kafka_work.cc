// The driver `kafka`: how jobs come.
#include <algorithm>
#include <poll.h>
#include <utility>

#include "daemon/queue/drivers/kafka_queue.h"

namespace workmand::kafka {
namespace {

/// What may be read and not handed out: records whose time has not come, and those of tasks that
/// are not served here. Beyond that the topics wait.
constexpr std::size_t kMostAside = 10'000;
constexpr std::size_t kMostAsideBytes = std::size_t{64} << 20U;
/// A record of a task that is not served here goes to the end of the retry topic after so long,
/// where another member of the group may find it, and so long is it left alone there.
constexpr Duration kParkTime{10'000};
constexpr Duration kParkPause{30'000};
constexpr std::size_t kMostMoved = 100;
constexpr Duration kSweepEvery = std::chrono::hours(1);

}  // namespace

/// Waits for the group to share itself out, for which it takes its time: then jobs can come.
void KafkaQueue::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  every_task_ = false;
  for (const Subscription& entry : tasks) {
    tasks_.insert(entry.task);
    every_task_ = every_task_ || entry.task == "*";
  }
  // What waits may be of a task that is served now, or no longer is.
  std::deque<Waiting> waiting = std::exchange(ready_, {});
  for (Waiting& one : std::exchange(parked_, {})) {
    aside_bytes_ -= one.fetched.record.job.payload.size();
    waiting.push_back(std::move(one));
  }
  for (Waiting& one : waiting) Sort(std::move(one));
  const TimePoint deadline = After(Clock::now(), kPatience);
  for (const Group& group : groups_) group.AwaitPartitions(deadline);
}

bool KafkaQueue::Serves(const std::string& task) const {
  return !task.empty() && (every_task_ || tasks_.contains(task));
}

void KafkaQueue::Sort(Waiting waiting) {
  const Record& record = waiting.fetched.record;
  const std::int64_t left = record.not_before_ms == 0 ? 0 : record.not_before_ms - NowMs();
  if (left <= 0 && Serves(record.job.task)) {
    ready_.push_back(std::move(waiting));
    return;
  }
  aside_bytes_ += record.job.payload.size();
  if (left > 0) {
    delayed_.emplace(After(Clock::now(), Duration{left}), std::move(waiting));
  } else {
    parked_.push_back(std::move(waiting));
  }
}

/// Half of what is wanted may be retries, so that neither line keeps the other waiting.
void KafkaQueue::Read(std::size_t n) {
  if (delayed_.size() + parked_.size() >= kMostAside || aside_bytes_ >= kMostAsideBytes) return;
  const TimePoint now = Clock::now();
  std::vector<Group::Fetched> came;
  const auto read = [&](Line line, std::size_t most) {
    groups_[line].Read(came, most);
    const std::size_t count = came.size();
    for (Group::Fetched& one : came) Sort({line, std::move(one), now});
    came.clear();
    return count;
  };
  const std::size_t retries = read(kRetry, (n + 1) / 2);
  const std::size_t fresh = retries < n ? read(kNew, n - retries) : 0;
  if (retries + fresh < n) (void)read(kRetry, n - retries - fresh);
}

void KafkaQueue::TakeDue(TimePoint now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    Waiting waiting = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    aside_bytes_ -= waiting.fetched.record.job.payload.size();
    waiting.since = now;
    // The clock of records may be a little behind ours.
    waiting.fetched.record.not_before_ms = 0;
    Sort(std::move(waiting));
  }
}

bool KafkaQueue::HandOut(std::vector<Job>& out, std::size_t n) {
  bool any = false;
  for (; n > 0 && !ready_.empty(); ready_.pop_front()) {
    Waiting& waiting = ready_.front();
    if (!groups_[waiting.line].Hold(waiting.fetched)) continue;
    Record& record = waiting.fetched.record;
    const Token token{++last_token_};
    record.job.token = token;
    out.push_back(record.job);
    holds_.emplace(token, Hold{waiting.line, waiting.fetched.place, std::move(record), false});
    any = true;
    --n;
  }
  return any;
}

TimePoint KafkaQueue::NextDue() const {
  return delayed_.empty() ? kNever : delayed_.begin()->first;
}

void KafkaQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                         const Waker& waker) {
  if (n == 0) return;
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    (void)bell_.Take();
    CheckOpen();
    const TimePoint now = Clock::now();
    TakeDue(now);
    for (std::size_t before = 1; ready_.size() < n && before > 0;) {
      const std::size_t had = ready_.size() + delayed_.size() + parked_.size();
      Read(n - ready_.size());
      before = ready_.size() + delayed_.size() + parked_.size() - had;
    }
    if (HandOut(out, n)) return;
    const Duration left = Until(now, std::min(deadline, NextDue()));
    if (waker.Wait(bell_.fd(), POLLIN, left) == Waker::Why::kWoken) return;
    if (Clock::now() >= deadline && NextDue() > Clock::now()) return;
  }
}

/// Takes what is not served here out of the way of the group. A record without the name of a task
/// can never be served, and is a dead letter. It stays parked until its copy is written.
void KafkaQueue::MoveParked(TimePoint now) {
  std::erase_if(parked_, [this](const Waiting& one) {
    if (groups_[one.line].Keeps(one.fetched)) return false;
    aside_bytes_ -= one.fetched.record.job.payload.size();
    return true;
  });
  Round round;
  for (std::size_t i = 0; i < std::min(parked_.size(), kMostMoved); ++i) {
    const Waiting& one = parked_[i];
    Record record = one.fetched.record;
    const bool nameless = record.job.task.empty();
    if (now < (nameless ? one.since : After(one.since, kParkTime))) break;
    if (nameless) {
      record.error = R"({"message":"the record has no header \"task\""})";
      record.failed_at_ms = NowMs();
      AddSend(round, i, settings_.DeadTopic(), std::move(record));
    } else {
      record.not_before_ms = NowMs() + kParkPause.count();
      AddSend(round, i, settings_.RetryTopic(), std::move(record));
      round.sends.back().partition = ElsewherePartition();
    }
  }
  producer_.Send(round.sends);
  std::array<std::set<std::int32_t>, kLines> touched;
  for (const Outgoing& out : round.sends) {
    Waiting one = std::move(parked_.front());
    parked_.pop_front();
    if (out.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      TellRefused(out);
      one.since = After(now, kSweepEvery);
      parked_.push_back(std::move(one));
      continue;
    }
    aside_bytes_ -= one.fetched.record.job.payload.size();
    groups_[one.line].End(one.fetched.place);
    touched[one.line].insert(one.fetched.place.partition);
  }
  for (const Line line : {kNew, kRetry}) {
    if (!touched[line].empty()) (void)groups_[line].Commit(touched[line]);
  }
}

Duration KafkaQueue::Tick() {
  if (role_ != Role::kConsumer || !producer_.open()) return kSweepEvery;
  CheckOpen();
  const TimePoint now = Clock::now();
  MoveParked(now);
  if (settings_.retention > Duration{0} && now >= next_sweep_) {
    SweepDead();
    next_sweep_ = After(now, kSweepEvery);
  }
  return parked_.empty()
             ? kParkTime / 2
             : std::max(Until(now, After(parked_.front().since, kParkTime)), Duration{100});
}

}  // namespace workmand::kafka
