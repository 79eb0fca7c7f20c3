// The worker's side of one job server: its lanes, how many there are, which of them asks for jobs,
// and when a lost server is tried again. Driven by GearmanQueue, which owns jobs and tokens; this
// never waits and never blocks, but for Resolve.
//
// Why lanes: Gearman has no "give this job back". A server takes back all jobs of a connection when
// it closes, so a job is aborted by closing its lane, and the fewer jobs share it, the better.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/queue/drivers/gearman_lane.h"

namespace workmand::gearman {

/// So few jobs have a lane each, however brief they are.
inline constexpr std::size_t kFewJobs = 4;
/// More brief jobs share at least so many lanes, and at most so many jobs share a lane.
inline constexpr std::size_t kSharedLanes = 2;
inline constexpr std::size_t kSharedDepth = 8;
/// More lanes than this are not opened to one server; beyond it jobs share lanes however long.
inline constexpr std::size_t kMostLanes = 32;
/// How long the answers to GRAB_JOB are waited for, before the server counts as late and the others
/// are served without it.
inline constexpr Duration kAnswerGrace{10};

struct WorkerLane {
  WorkerLane(const std::vector<Address>& addresses, TimePoint now) : wire(addresses, now) {}
  /// May take another job.
  [[nodiscard]] bool Usable() const { return !draining && wire.state() == Lane::State::kUp; }
  /// Is being opened.
  [[nodiscard]] bool Coming() const {
    return wire.state() == Lane::State::kConnecting || wire.state() == Lane::State::kGreeting;
  }
  [[nodiscard]] std::size_t Load() const { return held + grabs; }

  Lane wire;
  std::size_t held = 0;             ///< assignments that are not settled
  std::size_t grabs = 0;            ///< GRAB_JOBs without an answer
  std::deque<std::size_t> submits;  ///< follow-ups without an answer: the updates they belong to
  bool draining = false;            ///< a job of it was aborted: closes with its last job
  TimePoint turn_at{};              ///< when the order of tasks is next changed
  TimePoint used_at{};              ///< when it last took a job
};

/// The tasks of a session, and whose turn it is to be served first.
struct TaskTurns {
  std::vector<std::string> names;
  std::size_t next = 0;
};

class JobServer {
 public:
  /// `client_id` is what the server shows to its administrator; without white space.
  JobServer(HostPort where, std::string client_id);

  [[nodiscard]] const HostPort& where() const { return where_; }
  /// "host:port".
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::span<const std::unique_ptr<WorkerLane>> lanes() const { return lanes_; }
  /// Its last lane was lost, and no new one is up yet.
  [[nodiscard]] bool down() const { return down_; }
  /// Why it is down: a clause that follows its name.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] TimePoint retry_at() const { return retry_at_; }

  /// Looks the name up; blocks. The former addresses stay when that fails.
  void Resolve();
  /// Begins to open a lane.
  void Open(const TaskTurns& tasks, TimePoint now);
  /// Moves lanes that are lost, or drained, into `gone`; notices time-outs; begins to open a lane
  /// where there is none and it is time.
  void Upkeep(const TaskTurns& tasks, TimePoint now,
              std::vector<std::unique_ptr<WorkerLane>>& gone);
  /// Closes lanes without work that the last minute did not need, all but one; asks the others for
  /// a sign of life.
  void Tidy(TimePoint now);
  /// Tells every lane of tasks that came and went, and looks for jobs again.
  void Register(std::span<const std::string> added, std::span<const std::string> removed);
  /// Loses every lane: the server does not answer.
  void LoseAll(const std::string& reason);
  /// Forgets all lanes; held jobs go back to the queue.
  void Close();

  /// Nothing is expected on `lane`, and it need not be watched: only its end could come, and that
  /// matters when it is used next. Once a lane is lost all are looked at.
  [[nodiscard]] bool Quiet(const WorkerLane& lane) const {
    return lane.Load() == 0 && &lane != sleeper_ && lane.submits.empty() && !lane.draining &&
           lane.wire.state() == Lane::State::kUp && lane.wire.Confirmed() && !lost_one_;
  }

  /// May be asked for jobs: it is up, not known to be empty, and owes no answer for long.
  [[nodiscard]] bool Askable(TimePoint now) const;
  /// Sends GRAB_JOBs for up to `most` jobs and opens lanes that are missing: one a job, or fewer
  /// where jobs are `brief` (an aborted one then waits for its neighbours, but not for long).
  /// Returns how many it sent: fewer when lanes are coming or while it feels its way (window_).
  std::size_t Ask(std::size_t most, bool brief, TaskTurns& tasks, TimePoint now);
  /// GRAB_JOBs without an answer whose answers are worth waiting for.
  [[nodiscard]] std::size_t Due(TimePoint now) const { return Late(now) ? 0 : asked_; }
  /// When Due will be 0 if nothing comes.
  [[nodiscard]] TimePoint DueUntil() const { return After(asked_at_, kAnswerGrace); }

  /// A GRAB_JOB on `lane` was answered by a job.
  void OnAssigned(WorkerLane& lane, TimePoint now);
  /// A GRAB_JOB on `lane` was answered by "no job": the server will say when there is one.
  void OnNoJob(WorkerLane& lane);
  /// There are jobs.
  void OnNoop();

 private:
  [[nodiscard]] bool Late(TimePoint now) const { return asked_ > 0 && now >= DueUntil(); }
  void Answered(WorkerLane& lane);
  void Grow(std::size_t load, std::size_t depth, const TaskTurns& tasks, TimePoint now);
  void Grab(WorkerLane& lane, std::size_t count, TaskTurns& tasks, TimePoint now);
  void Sleep(WorkerLane& lane);
  void GiveUp(WorkerLane& lane, TimePoint now);
  void NoteUp(TimePoint now);
  void NoteLost(const WorkerLane& lane, TimePoint now);
  void GoDown(TimePoint now);

  HostPort where_;
  std::string name_;
  std::string client_id_;
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<WorkerLane>> lanes_;
  const WorkerLane* sleeper_ = nullptr;  ///< the lane that gets a NOOP; null = jobs may be there
  std::size_t asked_ = 0;                ///< sum of grabs over the lanes
  TimePoint asked_at_{};
  bool just_assigned_ = false;  ///< since the last Upkeep
  bool lost_one_ = false;       ///< in the last Upkeep
  bool short_answer_ = false;   ///< this round brought a "no job"
  std::size_t window_ = kSharedDepth;
  bool down_ = false;
  std::string reason_;
  TimePoint up_since_ = kNever;
  TimePoint retry_at_{};
  TimePoint grow_at_{};  ///< no further lane is opened before
  unsigned failures_ = 0;
};

}  // namespace workmand::gearman
