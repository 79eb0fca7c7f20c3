// Jobs straight onto the queue.
#include <algorithm>
#include <utility>

#include "daemon/admin/verbs.h"
#include "daemon/cli/live_queue.h"
#include "daemon/cli/target.h"
#include "daemon/queue/registry.h"

namespace workmand::cli {
namespace {

/// Signals are looked at between two waits of this length.
constexpr Duration kSlice{200};

class QueueTarget : public Target {
 public:
  explicit QueueTarget(std::unique_ptr<Queue> queue) : queue_(std::move(queue)) {}
  ~QueueTarget() override { queue_->Disconnect(); }
  QueueTarget(const QueueTarget&) = delete;
  QueueTarget& operator=(const QueueTarget&) = delete;

  Result<std::string> Put(const Enqueue& job) override {
    try {
      return queue_->Put(job);
    } catch (const Rejected& refusal) {
      return Fail(ErrorCode::kRefused, refusal.what());
    } catch (const std::exception& error) {
      return Fail(ErrorCode::kUnavailable, std::string("the queue has gone: ") + error.what());
    }
  }

  Result<void> PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                       std::vector<std::string>& why) override {
    try {
      queue_->PutMany(jobs, ids, why);
      return {};
    } catch (const std::exception& error) {
      return Fail(ErrorCode::kUnavailable, std::string("the queue has gone: ") + error.what());
    }
  }

  WaitEnd Wait(const std::string& id, TimePoint deadline, const Interrupt& interrupt) override {
    try {
      return Collect(id, deadline, interrupt);
    } catch (const std::exception& error) {
      return {WaitEnd::How::kLost, error.what()};
    }
  }

  [[nodiscard]] std::string_view fate() const override {
    return queue_->GetCaps().Has(Cap::kDurable)
               ? "it stays on the queue and may still run"
               : "the queue drops it unless a worker has started it";
  }

 private:
  WaitEnd Collect(const std::string& id, TimePoint deadline, const Interrupt& interrupt) {
    std::vector<workmand::Reply> replies;
    std::vector<ProgressNote> notes;
    for (;;) {
      queue_->Collect(replies, std::min(kSlice, Until(Clock::now(), deadline)), waker_);
      // Progress that is not taken would end the next Collect at once.
      queue_->TakeProgress(notes);
      notes.clear();
      for (workmand::Reply& reply : replies) {
        if (reply.id == id) return FromReply(std::move(reply));
      }
      replies.clear();
      if (interrupt.Pending()) return {WaitEnd::How::kInterrupted, {}};
      if (Clock::now() >= deadline) return {WaitEnd::How::kTimeout, {}};
    }
  }

  static WaitEnd FromReply(workmand::Reply reply) {
    switch (reply.state) {
      case Reply::State::kDone: return {WaitEnd::How::kDone, std::move(reply.bytes)};
      case Reply::State::kFailed: return {WaitEnd::How::kFailed, FailureMessage(reply.bytes)};
      case Reply::State::kTimeout: break;
    }
    return {WaitEnd::How::kTimeout, {}};
  }

  std::unique_ptr<Queue> queue_;
  Waker waker_;
};

}  // namespace

Result<std::unique_ptr<Target>> OpenQueueTarget(const Profile& profile) {
  Result<std::unique_ptr<Queue>> queue = ConnectQueue(profile);
  if (!queue) return tl::unexpected(queue.error());
  return std::make_unique<QueueTarget>(std::move(*queue));
}

Result<std::unique_ptr<Target>> OpenTarget(const Profile& profile) {
  const Result<DriverInfo> driver = FindDriver(profile.queue.driver);
  if (!driver) return tl::unexpected(driver.error());
  return driver->local ? OpenDaemonTarget(profile) : OpenQueueTarget(profile);
}

}  // namespace workmand::cli
