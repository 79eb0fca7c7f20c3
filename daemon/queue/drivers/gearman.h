// The Gearman driver, worker's side: takes jobs from one or several job servers and settles them.
// Driven by the pump's thread. Speaks the binary protocol itself, over lanes (gearman_server.h),
// and never uses libgearman's worker functions.
//
// Why not: in libgearman 1.1.20 gearman_worker_grab_job crashes. Register a function, let there be
// one job; grab_job returns it; complete it; grab_job again returns GEARMAN_NO_JOBS; the next call,
// on the same worker, is a segmentation fault: the library has kept the state "send the next
// GRAB_JOB" but forgotten the connection to send it on. gearman_worker_work survives that, but
// frees the job when its callback returns, so it holds one job a thread; and neither gives an fd to
// wait on together with a Waker. Pipelined, the protocol is also four times as fast.
//
// Retries: gearmand has no attempts, no delay and no dead letters; a job that failed is gone. The
// daemon therefore holds a job over its retries and tells only the last outcome. Hence a kFail with
// `retry`, should one come, is treated as kAbort: the job is not lost, gearmand hands it out again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/gearman_server.h"
#include "daemon/queue/queue.h"

namespace workmand::gearman {

/// How long Apply waits for a server to confirm settlements.
inline constexpr Duration kConfirmTimeout{5'000};

class GearmanQueue final : public Queue {
 public:
  /// `profile_name` tells this daemon from others in what the servers show of their workers.
  GearmanQueue(std::vector<HostPort> servers, std::string_view profile_name);

  [[nodiscard]] Caps GetCaps() const override;
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  /// Put and Collect go through a producer of this instance's own, connected at first use.
  std::string Put(const Enqueue& job) override;
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override;
  void TakeProgress(std::vector<ProgressNote>& out) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;

 private:
  /// A job that has come and was not handed out yet; `job.token` is not set.
  struct Ready {
    Job job;
    std::string handle;
    WorkerLane* lane = nullptr;
  };
  /// A job in the daemon's hands.
  struct Held {
    std::string handle;
    WorkerLane* lane = nullptr;
    TimePoint since;
  };

  void RequireSession() const;
  Queue& Producer();
  /// Drops lanes that are gone with all their jobs. Throws ConnectionLost when no server is left.
  void Upkeep(TimePoint now);
  void Forget(const std::vector<std::unique_ptr<WorkerLane>>& gone);
  [[noreturn]] void LoseSession();
  /// Waits for any lane or `waker` (may be null), and takes in what came. True when woken.
  bool Turn(const Waker* waker, TimePoint until);

  void TakePackets(JobServer& server, WorkerLane& lane, TimePoint now);
  void OnPacket(JobServer& server, WorkerLane& lane, const Packet& packet, TimePoint now);
  void OnAssign(JobServer& server, WorkerLane& lane, std::string_view body, TimePoint now);
  void OnSubmitted(WorkerLane& lane, const Packet& packet);
  [[nodiscard]] std::string IdOf(const JobServer& server, std::string_view handle) const;

  /// Asks servers for jobs, up to `n` with those that are asked for already.
  void Ask(std::size_t n, TimePoint now);
  /// Until when answers of servers are to be waited for; nothing when none is due.
  [[nodiscard]] std::optional<TimePoint> DueUntil(TimePoint now) const;
  /// When Dequeue must look again although nothing has come.
  [[nodiscard]] TimePoint LookAgainAt() const;
  /// Returns a job of `lane` that was not handed out, by closing the lane once it can.
  static void GiveBack(WorkerLane& lane);
  bool HandOut(std::vector<Job>& out, std::size_t n, TimePoint now);

  void SubmitFollowUps(std::span<const Update> updates, std::span<Applied> answers);
  /// Writes one update to its lane, which is returned when a barrier has to confirm it.
  WorkerLane* Settle(const Update& update, Applied& answer, TimePoint now);
  /// Waits until the lane is not far behind; one that takes nothing for long is lost.
  void SendOut(WorkerLane& lane, TimePoint now);
  void End(std::unordered_map<std::uint64_t, Held>::iterator held, TimePoint now);
  /// Waits until every lane of `lanes` has answered all its barriers and submits, or is lost.
  void Confirm(std::vector<WorkerLane*> lanes);

  std::vector<std::unique_ptr<JobServer>> servers_;
  std::size_t first_server_ = 0;  ///< that is asked first next time
  bool connected_ = false;
  TaskTurns tasks_;
  std::set<std::string, std::less<>> task_names_;
  LanePoller poller_;
  TimePoint turned_at_{};  ///< when the lanes were last read
  std::deque<Ready> ready_;
  std::unordered_map<std::uint64_t, Held> held_;
  std::uint64_t last_token_ = 0;
  std::vector<bool> refused_;     ///< during Apply: a follow-up of update i was refused
  double mean_hold_ms_ = 10'000;  ///< how long jobs are held, over about the last 64
  std::unique_ptr<Queue> producer_;
};

}  // namespace workmand::gearman
