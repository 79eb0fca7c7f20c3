// What core keeps of one worker and of one delivery. Plain data: workers.h moves it through the
// life-cycle table, dispatcher.h fills and empties `in_flight`.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/check.h"
#include "daemon/base/ids.h"
#include "daemon/base/job.h"
#include "daemon/base/time.h"
#include "daemon/core/limits.h"
#include "daemon/core/types.h"

namespace workmand {

/// A job that must be settled exactly once: move-only, and it asserts when it is dropped unsettled.
/// The job itself stays where it is in memory: on its way it is handed on some ten times.
class HeldJob {
 public:
  explicit HeldJob(Job job) : job_(std::make_unique<Job>(std::move(job))) {}
  HeldJob(HeldJob&& other) noexcept
      : job_(std::move(other.job_)), held_(std::exchange(other.held_, false)) {}
  HeldJob& operator=(HeldJob&& other) noexcept {
    WORKMAND_CHECK(!held_, "a job was overwritten before it was settled");
    job_ = std::move(other.job_);
    held_ = std::exchange(other.held_, false);
    return *this;
  }
  HeldJob(const HeldJob&) = delete;
  HeldJob& operator=(const HeldJob&) = delete;
  ~HeldJob() { WORKMAND_CHECK(!held_, "a job was dropped before it was settled"); }

  [[nodiscard]] const Job& get() const { return *job_; }
  [[nodiscard]] Job& get() { return *job_; }
  /// The one way out: the job is no longer ours to settle.
  Token Release() {
    WORKMAND_CHECK(held_, "a job was settled twice");
    held_ = false;
    return job_->token;
  }

 private:
  std::unique_ptr<Job> job_;  ///< null once moved from
  bool held_ = true;
};

/// What a worker announced of one task. Absent = not stated.
struct TaskAnnouncement {
  std::optional<Duration> time_limit;
  std::optional<int> max_attempts;
  std::optional<RetryBackoff> retry;
  enum class OnAbort : std::uint8_t { kRequeue, kFail, kDrop };
  OnAbort on_abort = OnAbort::kRequeue;
  std::optional<Duration> stall;
  std::optional<int> limit;
};

/// What a worker announced in `ready`.
struct Announcement {
  bool any_task = false;
  std::map<std::string, TaskAnnouncement, std::less<>> tasks;
  bool handles_term = false;
  bool handles_abort = false;
  bool cancel = false;  ///< understands `cancel` while it runs a job
  int concurrency = 1;
  int prefetch = 0;

  [[nodiscard]] bool Serves(std::string_view task) const {
    return any_task || tasks.find(task) != tasks.end();
  }
  [[nodiscard]] const TaskAnnouncement* Find(std::string_view task) const {
    const auto it = tasks.find(task);
    return it == tasks.end() ? nullptr : &it->second;
  }
};

/// One try of a job in a worker.
struct Delivery {
  DeliveryId id;
  HeldJob job;
  Duration time_limit{0};  ///< resolved; 0 = none
  int max_attempts = 1;    ///< resolved
  Duration stall{0};
  TimePoint sent_at = kNever;
  TimePoint started_at = kNever;  ///< when it became running; kNever while it is parked
  TimePoint limit_at = kNever;    ///< when the time limit ends
  TimePoint soft_at = kNever;
  TimePoint slow_at = kNever;
  TimePoint stall_at = kNever;
  TimePoint cancelled_at = kNever;  ///< when a cancel-capable worker was told
  Duration extended{0};
  bool timed_out = false;
  Cause ended_by = Cause::kTimeLimit;  ///< what timed out: its time limit or its signs of life
  bool undelivered = false;            ///< its line was not fully taken by the worker's stdin
};

/// One place for a worker.
struct Slot {
  SlotId id;
  State state = State::kDown;
  Generation generation;
  std::uint32_t life = 0;  ///< how many workers have lived here
  std::shared_ptr<const Limits> limits;
  std::shared_ptr<const Announcement> announced;

  bool retiring = false;  ///< told, or about to be told, to go
  bool told = false;      ///< it got its notice, or at least EOF
  StopReason stop_reason = StopReason::kStop;
  Cause cause = Cause::kNone;  ///< why this life ends, once that is known
  bool severe = false;         ///< it ends for what it did itself (violation), so its job pays
  bool ever_ready = false;
  bool start_timed_out = false;
  bool term_sent = false;
  bool unread = false;    ///< its output is left unread for now: its silence is not its own
  bool replaced = false;  ///< SIGKILL had no effect: another slot stands in

  TimePoint spawned_at = kNever;
  TimePoint ready_at = kNever;
  TimePoint idle_since = kNever;
  TimePoint lifetime_at = kNever;
  TimePoint eof_at = kNever;
  TimePoint grace_at = kNever;  ///< notice + graceful time-out
  TimePoint rung_at = kNever;   ///< when the present rung was taken
  TimePoint deadline = kNever;  ///< the earliest thing to happen in this state

  int max_jobs = 0;  ///< drawn; 0 = no limit
  int jobs_sent = 0;
  int jobs_finished = 0;
  int violations = 0;
  std::vector<Delivery> in_flight;  ///< oldest first; the `concurrency` oldest are running

  [[nodiscard]] int Capacity() const {
    return announced == nullptr ? 0 : announced->concurrency + announced->prefetch;
  }
  [[nodiscard]] bool Open() const {
    return (state == State::kIdle || state == State::kBusy) && !retiring;
  }
  [[nodiscard]] bool Alive() const { return state != State::kDown; }
  Delivery* Find(std::string_view delivery) {
    for (Delivery& one : in_flight) {
      if (one.id.view() == delivery) return &one;
    }
    return nullptr;
  }
};

}  // namespace workmand
