// The driver `beanstalkd`: how jobs are reserved, and how holds are kept.
#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/beanstalkd_queue.h"

namespace workmand::beanstalkd {
namespace {

/// A job of a shared tube that nobody here serves goes back for so long: others may want it.
constexpr Duration kLeaveAlone{5'000};
/// What was reserved and not asked for goes back after so long.
constexpr Duration kIdle{1'000};
constexpr Duration kSoonestTouch{300};

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<Duration>(now).count();
}

}  // namespace

void BeanstalkdQueue::RegisterTasks(std::span<const Subscription> tasks) {
  std::set<std::string> names;
  for (const Subscription& entry : tasks) {
    if (entry.task == "*") throw Rejected("beanstalkd cannot serve \"*\": it needs names of tasks");
    names.insert(entry.task);
  }
  tasks_ = std::move(names);
  left_alone_.clear();
  tubes_.clear();
  if (!tasks_.empty()) tubes_.insert(settings_.tubes.begin(), settings_.tubes.end());
  for (const std::string& task : tasks_) tubes_.insert(TubeOfTask(stem(), task));
  // It waits for the wrong ones, and cannot be told otherwise.
  StopWaiting();
}

std::unique_ptr<BeanstalkdQueue::Lane> BeanstalkdQueue::MakeLane() const {
  auto lane = std::make_unique<Lane>();
  lane->link.Open(settings_.server);
  lane->watched.insert("default");
  return lane;
}

void BeanstalkdQueue::Watch(Lane& lane) {
  if (lane.watched == tubes_ || tubes_.empty()) return;
  std::size_t sent = 0;
  for (const std::string& tube : tubes_) {
    if (lane.watched.contains(tube)) continue;
    lane.link.Send("watch " + tube);
    ++sent;
  }
  for (const std::string& tube : lane.watched) {
    if (tubes_.contains(tube)) continue;
    lane.link.Send("ignore " + tube);
    ++sent;
  }
  for (; sent > 0; --sent) (void)lane.link.Await();
  lane.watched = tubes_;
}

void BeanstalkdQueue::StartWaiting() {
  Lane* lane = nullptr;
  for (std::size_t i = 1; i < lanes_.size() && lane == nullptr; ++i) {
    if (lanes_[i]->held == 0) lane = lanes_[i].get();
  }
  if (lane == nullptr) lane = lanes_.emplace_back(MakeLane()).get();
  Watch(*lane);
  lane->link.Send("reserve");
  lane->waits = true;
  waiter_ = lane;
}

/// A wait has no end but a job, or the end of the connection; a job that came by then goes back.
void BeanstalkdQueue::StopWaiting() noexcept {
  if (waiter_ == nullptr) return;
  std::erase_if(lanes_, [this](const auto& lane) { return lane.get() == waiter_; });
  waiter_ = nullptr;
}

bool BeanstalkdQueue::TakeWaited(TimePoint deadline, const Waker* waker) {
  auto answer = waiter_->link.AwaitUntil(deadline, waker);
  if (!answer) return false;
  Lane* const lane = std::exchange(waiter_, nullptr);
  lane->waits = false;
  if (!answer->Is("RESERVED")) return true;
  ++lane->held;
  raw_.push_back({lane, std::string(answer->Argument()), std::move(answer->body)});
  return true;
}

void BeanstalkdQueue::SendReserves(std::size_t n) {
  if (lanes_.empty()) lanes_.push_back(MakeLane());
  Lane& lane = *lanes_.front();
  Watch(lane);
  for (std::size_t i = 0; i < n; ++i) lane.link.Send("reserve-with-timeout 0");
}

/// Reads what the reserves of lane 0 brought; false when `waker` was first.
bool BeanstalkdQueue::TakeReserved(TimePoint deadline, const Waker* waker) {
  if (lanes_.empty()) return true;
  Lane& lane = *lanes_.front();
  while (lane.link.due() > 0) {
    auto answer = waker == nullptr ? lane.link.Await() : lane.link.AwaitUntil(deadline, waker);
    if (!answer) return false;
    if (answer->Is("DEADLINE_SOON")) next_touch_ = {};
    if (!answer->Is("RESERVED")) continue;
    ++lane.held;
    raw_.push_back({&lane, std::string(answer->Argument()), std::move(answer->body)});
  }
  return true;
}

void BeanstalkdQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                              const Waker& waker) {
  if (n == 0) return;
  if (!desk_.open()) throw ConnectionLost("beanstalkd: not connected");
  const std::size_t before = out.size();
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    asked_at_ = Clock::now();
    if (asked_at_ >= next_touch_) Touch();
    if (!raw_.empty()) Deliver(out, n);
    if (out.size() > before) return;
    const TimePoint until = std::min(deadline, next_touch_);
    bool answered = false;
    if (tubes_.empty()) {
      if (waker.Wait(-1, 0, Until(Clock::now(), until)) == Waker::Why::kWoken) return;
    } else if (waiter_ != nullptr) {
      answered = TakeWaited(until, &waker);
    } else {
      if (lanes_.empty() || lanes_.front()->link.due() == 0) SendReserves(n);
      const TimePoint patience = After(Clock::now(), kAnswerTimeout);
      answered = TakeReserved(patience, &waker);
      if (!answered && Clock::now() >= patience) {
        Disconnect();
        throw ConnectionLost("beanstalkd: no answer within 5 s");
      }
      if (!answered) return;
      if (raw_.empty()) StartWaiting();
    }
    if (answered) continue;
    const TimePoint now = Clock::now();
    // A wake ended the wait before its time, or the deadline did.
    if (now < until || now >= deadline) return;
  }
}

/// Hands out up to `n` of what was reserved. Whether a job was handed out before, only its
/// statistics say.
void BeanstalkdQueue::Deliver(std::vector<Job>& out, std::size_t n) {
  std::vector<Raw> raws = std::move(raw_);
  raw_.clear();
  const std::size_t count = std::min(n, raws.size());
  raw_.assign(std::make_move_iterator(raws.begin() + static_cast<std::ptrdiff_t>(count)),
              std::make_move_iterator(raws.end()));
  raws.resize(count);
  for (const Raw& raw : raws) desk_.Send("stats-job " + raw.id);
  for (Raw& raw : raws) {
    const Answer statistics = desk_.Await();
    Job job;
    if (Describe(raw, statistics, job)) out.push_back(std::move(job));
  }
}

bool BeanstalkdQueue::Describe(Raw& raw, const Answer& statistics, Job& job) {
  if (!statistics.Is("OK")) {  // Its time to run was over, and another has done it.
    --raw.lane->held;
    return false;
  }
  const std::string_view yaml = statistics.body;
  const auto number = static_cast<std::uint32_t>(Number(Statistic(yaml, "pri")));
  ReadBody(raw.body, stem(), Statistic(yaml, "tube"), job);
  if (!tasks_.contains(job.task)) {
    LeaveAlone(raw, job, number);
    return false;
  }
  Hold hold;
  hold.lane = raw.lane;
  hold.past = ReadPast(number);
  hold.reserves = Number(Statistic(yaml, "reserves"));
  hold.touch_every =
      std::max(Duration{static_cast<std::int64_t>(Number(Statistic(yaml, "ttr"))) * 1'000} / 3,
               kSoonestTouch);
  hold.touch_at = After(Clock::now(), hold.touch_every);
  next_touch_ = std::min(next_touch_, hold.touch_at);
  job.token = Token{++last_token_};
  job.id = raw.id;
  job.priority = hold.past.priority;
  job.attempt = hold.past.ends + 1;
  job.deliveries = std::max(static_cast<int>(hold.reserves) - hold.past.uncounted, 1);
  job.enqueued_at_ms =
      NowMs() - static_cast<std::int64_t>(Number(Statistic(yaml, "age"))) * std::int64_t{1'000};
  hold.job = job;
  hold.job.payload.clear();
  holds_.emplace(job.token, std::move(hold));
  return true;
}

void BeanstalkdQueue::LeaveAlone(const Raw& raw, const Job& job, std::uint32_t number) {
  // Jobs of ours come from tubes that are registered, but for one that was just taken off.
  const bool ours = ReadPast(number).ours;
  if (left_alone_.insert(job.task).second) {
    log::Warn("job left alone", {{"job", raw.id},
                                 {"task", job.task},
                                 {"why", "no worker serves its task; it goes back to its tube"}});
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(kLeaveAlone).count();
  (void)raw.lane->link.Ask("release " + raw.id + " " + std::to_string(number) + " " +
                           (ours ? "0" : std::to_string(seconds)));
  --raw.lane->held;
}

void BeanstalkdQueue::GiveBackRaw() {
  for (const Raw& raw : raw_) {
    const Answer statistics = desk_.Ask("stats-job " + raw.id);
    Past past = ReadPast(static_cast<std::uint32_t>(Number(Statistic(statistics.body, "pri"))));
    ++past.uncounted;
    (void)raw.lane->link.Ask("release " + raw.id + " " + std::to_string(ToNumber(past)) + " 0");
    --raw.lane->held;
  }
  raw_.clear();
}

void BeanstalkdQueue::Touch() {
  (void)TakeReserved({}, nullptr);
  const TimePoint now = Clock::now();
  std::vector<std::pair<Token, Lane*>> touched;
  // An early one costs little, and they then go out together.
  for (auto& [token, hold] : holds_) {
    if (hold.touch_at > After(now, hold.touch_every / 2)) continue;
    hold.lane->link.Send("touch " + hold.job.id);
    hold.touch_at = After(now, hold.touch_every);
    touched.emplace_back(token, hold.lane);
  }
  for (const auto& [token, lane] : touched) {
    const Answer answer = lane->link.Await();
    // Its time to run was over before we came; the settlement will find it lost.
    if (!answer.Is("TOUCHED")) Forget(token);
  }
  next_touch_ = kNever;
  for (const auto& [token, hold] : holds_) next_touch_ = std::min(next_touch_, hold.touch_at);
}

Duration BeanstalkdQueue::Tick() {
  if (!desk_.open()) return kIdle;
  const TimePoint now = Clock::now();
  if (now >= next_touch_) Touch();
  if (settings_.dead_letter_retention > Duration{0} && now >= next_sweep_) SweepDead(now);
  if (now >= After(asked_at_, kIdle)) {
    // Nobody asks: a job that comes to us now would lie here, and others may want it. One that is
    // here already is given back by a release, which can say that this was no delivery.
    if (waiter_ != nullptr) (void)TakeWaited({}, nullptr);
    StopWaiting();
    (void)TakeReserved({}, nullptr);
    GiveBackRaw();
  }
  return std::min(Until(Clock::now(), next_touch_), kIdle);
}

}  // namespace workmand::beanstalkd
