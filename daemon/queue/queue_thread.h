// The life of a queue thread, for the pump and the producer: start it, wake the loop from it, and
// end it within a time. A thread that does not end in time (a driver hangs in a system call) is
// left behind; what it uses must be owned by its body, and it can no longer reach the loop.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "daemon/base/time.h"

namespace workmand {

class QueueThread {
 public:
  explicit QueueThread(std::function<void()> wake_loop) : shared_(std::make_shared<Shared>()) {
    shared_->wake_loop = std::move(wake_loop);
  }

  /// A function for the thread to wake the loop with; it does nothing once the thread is left.
  [[nodiscard]] std::function<void()> LoopWaker() const {
    return [shared = shared_] {
      const std::lock_guard lock(shared->mutex);
      if (!shared->left && shared->wake_loop) shared->wake_loop();
    };
  }

  void Start(std::function<void()> body) {
    thread_ = std::thread([shared = shared_, body = std::move(body)] {
      body();
      const std::lock_guard lock(shared->mutex);
      shared->ended = true;
      shared->changed.notify_all();
    });
  }

  /// True when the thread has ended; false when it was left after `timeout`.
  bool Join(Duration timeout) {
    if (!thread_.joinable()) return ended_;
    std::unique_lock lock(shared_->mutex);
    const auto has_ended = [this] { return shared_->ended; };
    const TimePoint deadline = After(Clock::now(), timeout);
    if (deadline == kNever) {
      shared_->changed.wait(lock, has_ended);
    } else {
      shared_->changed.wait_until(lock, deadline, has_ended);
    }
    ended_ = shared_->ended;
    shared_->left = !ended_;
    lock.unlock();
    if (ended_) {
      thread_.join();
    } else {
      thread_.detach();
    }
    return ended_;
  }

 private:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool ended = false;
    bool left = false;
    std::function<void()> wake_loop;
  };

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
  bool ended_ = false;
};

}  // namespace workmand
