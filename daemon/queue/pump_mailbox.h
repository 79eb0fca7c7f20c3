// Where the loop and the pump's thread meet: what each has for the other, under one mutex. It wakes
// the thread when linger.h says so and the loop once per batch. It knows no driver.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/queue/linger.h"
#include "daemon/queue/pump.h"

namespace workmand {

class PumpMailbox {
 public:
  /// What the thread takes out at the top of a round.
  struct Round {
    std::vector<Update> updates;
    std::optional<std::vector<Subscription>> tasks;
    bool ask_depth = false;
    bool stop = false;
    std::uint64_t credit = 0;  ///< how many jobs it may fetch
  };

  explicit PumpMailbox(std::function<void()> wake_loop) : wake_loop_(std::move(wake_loop)) {}

  // The loop's side.
  void Post(std::vector<Update>& updates, bool urgent);
  void Grant(std::uint64_t total);
  void Post(std::vector<Update>& updates, bool urgent, std::uint64_t total);
  void Subscribe(std::vector<Subscription> tasks);
  void AskDepth();
  void Stop();
  void Drain(PumpBatch& out);

  // The thread's side.
  [[nodiscard]] const Waker& waker() const { return waker_; }
  /// Fills `round`; its vectors are reused.
  void Take(Round& round);
  /// The thread is about to sleep as `waiting` says; false when it must not: something has come.
  [[nodiscard]] bool StartWait(Waiting waiting, bool starved);
  /// Moves the jobs out of `jobs` and counts them against the credit.
  void PushJobs(std::vector<Job>& jobs);
  void PushApplied(std::vector<AppliedUpdate>& applied);
  void PushState(const PumpState& state);
  /// Without `tokens_survive` the jobs that the loop has not taken yet are dropped, and their
  /// credit is free again: the queue hands them out once more.
  void PushSessionLost(bool tokens_survive, const std::string& why);
  /// Takes back the jobs that the loop will never take.
  [[nodiscard]] std::vector<Job> TakeBackJobs();

 private:
  /// Both need the mutex, and say whether the thread is to be woken.
  [[nodiscard]] bool Add(std::vector<Update>& updates, bool urgent);
  [[nodiscard]] bool AddCredit(std::uint64_t total);
  /// Both give the mutex back first, so that whoever wakes does not meet it locked. They cost a
  /// system call only the first time.
  void WakeThreadAfter(std::unique_lock<std::mutex>& lock, bool wake);
  void WakeLoopAfter(std::unique_lock<std::mutex>& lock);

  std::function<void()> wake_loop_;
  Waker waker_;
  std::mutex mutex_;

  std::vector<Update> updates_;
  std::optional<std::vector<Subscription>> tasks_;
  std::uint64_t granted_ = 0;
  std::uint64_t handed_out_ = 0;
  bool urgent_ = false;  ///< an urgent update is among `updates_`
  bool last_post_urgent_ = false;
  bool ask_depth_ = false;
  bool stop_ = false;

  Waiting waiting_ = Waiting::kNot;
  bool starved_ = false;
  bool thread_woken_ = false;

  PumpBatch out_;
  bool loop_woken_ = false;
};

}  // namespace workmand
