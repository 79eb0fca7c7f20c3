// A driver that does what a test scripts, and a box in which a test waits for the other thread.
// Each wait is for an event, with a deadline far off.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "daemon/queue/queue.h"

namespace workmand {

inline constexpr std::chrono::seconds kDeadline{10};

/// Counts wake-ups; the loop's end of a pump.
class Bell {
 public:
  void Ring() {
    const std::lock_guard lock(mutex_);
    ++rings_;
    changed_.notify_all();
  }
  /// Waits until it has been rung since the last Wait; false when the deadline is over.
  bool Wait() {
    std::unique_lock lock(mutex_);
    const bool rung = changed_.wait_for(lock, kDeadline, [this] { return rings_ > seen_; });
    seen_ = rings_;
    return rung;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int rings_ = 0;
  int seen_ = 0;
};

/// What a FakeQueue does and has seen; shared by the test and the queue's thread.
class Script {
 public:
  std::uint32_t caps = 0;
  TimePoint tick_due = kNever;  ///< what TickDue says; set before the thread starts
  /// Called on the queue's thread without the lock; may throw. Set before the thread starts.
  std::function<void(int nth)> on_connect;
  std::function<void(std::span<const Update>, std::span<Applied>)> on_apply;
  std::function<void()> on_dequeue;

  void Offer(std::string payload) {
    const std::lock_guard lock(mutex_);
    Job job;
    job.token = Token{++last_token_};
    job.payload = std::move(payload);
    jobs_.push_back(std::move(job));
    bell_.Wake();
  }
  /// The next driver call on the thread throws what `thrower` throws.
  void ThrowNext(std::function<void()> thrower) {
    const std::lock_guard lock(mutex_);
    thrower_ = std::move(thrower);
    bell_.Wake();
  }
  void Answer(Reply reply) {
    const std::lock_guard lock(mutex_);
    replies_.push_back(std::move(reply));
    bell_.Wake();
  }
  /// Waits until `enough` holds of what was seen; called with the lock held.
  bool Until(const std::function<bool()>& enough) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, enough);
  }
  template <typename T>
  T Read(const T& member) {
    const std::lock_guard lock(mutex_);
    return member;
  }

  // What was seen, under the lock: read with Read or in Until.
  int connects = 0;
  int disconnects = 0;
  std::vector<std::size_t> batches;
  std::vector<Update> applied;
  std::vector<std::vector<Subscription>> subscriptions;
  std::vector<Enqueue> put;
  int ticks = 0;

 private:
  friend class FakeQueue;

  void MaybeThrow() {
    std::function<void()> thrower;
    {
      const std::lock_guard lock(mutex_);
      thrower = std::exchange(thrower_, nullptr);
    }
    if (thrower) thrower();
  }

  Waker bell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<Reply> replies_;
  std::uint64_t last_token_ = 0;
  std::function<void()> thrower_;
};

class FakeQueue final : public Queue {
 public:
  explicit FakeQueue(std::shared_ptr<Script> script) : script_(std::move(script)) {}

  [[nodiscard]] Caps GetCaps() const override { return {script_->caps, 0}; }

  void Connect() override {
    const int nth = Note([this] { return ++script_->connects; });
    if (script_->on_connect) script_->on_connect(nth);
  }
  void Disconnect() noexcept override {
    Note([this] { return ++script_->disconnects; });
  }
  void RegisterTasks(std::span<const Subscription> tasks) override {
    Note([&] { script_->subscriptions.emplace_back(tasks.begin(), tasks.end()); });
  }
  std::string Put(const Enqueue& job) override {
    script_->MaybeThrow();
    if (job.task.empty()) throw Rejected("a job needs the name of a task");
    Note([&] { script_->put.push_back(job); });
    return "id-" + job.payload;
  }
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override {
    WaitForBell(timeout, waker);
    script_->MaybeThrow();
    Note([&] {
      std::move(script_->replies_.begin(), script_->replies_.end(), std::back_inserter(out));
      script_->replies_.clear();
    });
  }
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
               const Waker& waker) override {
    if (script_->on_dequeue) script_->on_dequeue();
    if (!Fetch(out, n)) {
      WaitForBell(timeout, waker);
      Fetch(out, n);
    }
    script_->MaybeThrow();
  }
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    if (script_->on_apply) script_->on_apply(updates, answers);
    Note([&] {
      script_->batches.push_back(updates.size());
      script_->applied.insert(script_->applied.end(), updates.begin(), updates.end());
    });
    if (!script_->on_apply) std::fill(answers.begin(), answers.end(), Applied::kOk);
  }
  Duration Tick() override {
    Note([this] { return ++script_->ticks; });
    return Duration{60'000};
  }
  [[nodiscard]] TimePoint TickDue() const override { return script_->tick_due; }
  std::optional<std::uint64_t> Size(std::string_view /*task*/) override { return 17; }

 private:
  template <typename Action>
  std::invoke_result_t<Action> Note(Action&& action) {
    const std::lock_guard lock(script_->mutex_);
    script_->changed_.notify_all();
    return action();
  }
  bool Fetch(std::vector<Job>& out, std::size_t n) {
    return Note([&] {
      const bool some = !script_->jobs_.empty() && n > 0;
      for (; n > 0 && !script_->jobs_.empty(); --n) {
        out.push_back(std::move(script_->jobs_.front()));
        script_->jobs_.pop_front();
      }
      return some;
    });
  }
  void WaitForBell(Duration timeout, const Waker& waker) {
    (void)waker.Wait(script_->bell_.fd(), POLLIN, timeout);
    (void)script_->bell_.Take();
  }

  std::shared_ptr<Script> script_;
};

}  // namespace workmand
