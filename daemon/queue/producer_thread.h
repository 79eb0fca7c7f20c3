// What the producer's thread does: puts what the loop asks for, in batches, and collects the
// results of the foreground jobs. It owns the driver; the mailbox below, under its mutex, is all
// that it shares with the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/queue/pump.h"
#include "daemon/queue/session.h"

namespace workmand {

class ProducerMailbox {
 public:
  struct Round {
    std::vector<std::uint64_t> requests;
    std::vector<Enqueue> jobs;  ///< as long as `requests`
    std::vector<std::uint64_t> forget;
    bool stop = false;
  };

  explicit ProducerMailbox(std::function<void()> wake_loop) : wake_loop_(std::move(wake_loop)) {}

  // The loop's side.
  void Put(std::uint64_t request, Enqueue job);
  void Forget(std::uint64_t request);
  void Stop();
  void Drain(std::vector<Producer::Done>& out);

  // The thread's side.
  [[nodiscard]] const Waker& waker() const { return waker_; }
  void Take(Round& round);
  /// The thread is about to sleep; false when it must not: something has come.
  [[nodiscard]] bool StartWait();
  void Push(std::vector<Producer::Done>& done);

 private:
  void WakeThread();

  std::function<void()> wake_loop_;
  Waker waker_;
  std::mutex mutex_;
  Round in_;
  std::vector<Producer::Done> out_;
  bool waiting_ = false;
  bool thread_woken_ = false;
  bool loop_woken_ = false;
};

class ProducerThread {
 public:
  /// Jobs for one PutMany at most.
  static constexpr std::size_t kBatch = 256;

  ProducerThread(std::unique_ptr<Queue> driver, const PumpOptions& options,
                 ProducerMailbox& mailbox);

  /// Returns after ProducerMailbox::Stop, with the driver disconnected.
  void Run();

 private:
  void Turn();
  void PutAll();
  void Collect();
  void Remember(std::uint64_t request, const std::string& id);
  void Drop(std::uint64_t request);
  void LoseSession();
  /// Answers the puts that have no answer yet.
  void RefuseRest(const std::string& why);
  void WaitForRetry();
  void Finish();

  QueueSession session_;
  PumpOptions options_;
  ProducerMailbox& mailbox_;
  Caps caps_;

  ProducerMailbox::Round round_;
  std::size_t answered_ = 0;  ///< so many of round_.jobs are through
  std::vector<Producer::Done> done_;
  std::unordered_map<std::string, std::vector<std::uint64_t>> waiting_;  ///< by id of the job
  TimePoint next_tick_;
};

}  // namespace workmand
