#include "daemon/queue/drivers/gearman_server.h"

#include <algorithm>
#include <utility>

namespace workmand::gearman {
namespace {

constexpr Duration kRetryMin{100};
constexpr Duration kRetryMax{30'000};
/// A server that lived for so long starts again with the shortest pause.
constexpr Duration kHealthy{10'000};
constexpr Duration kGrowPause{1'000};
constexpr Duration kIdleLane{60'000};
/// How long one task may keep its place before the others (see Grab).
constexpr Duration kTurn{20};
constexpr std::size_t kMostAsked = 4096;

}  // namespace

JobServer::JobServer(HostPort where, std::string client_id)
    : where_(std::move(where)), name_(ToString(where_)), client_id_(std::move(client_id)) {}

void JobServer::Resolve() {
  auto found = gearman::Resolve(where_);
  if (found) {
    addresses_ = std::move(*found);
  } else if (addresses_.empty()) {
    reason_ = found.error().message;
  }
}

void JobServer::Open(const TaskTurns& tasks, TimePoint now) {
  auto lane = std::make_unique<WorkerLane>(addresses_, now);
  lane->used_at = now;
  AppendPacket(lane->wire.Out(), PacketType::kSetClientId, {client_id_});
  for (const std::string& task : tasks.names) {
    AppendPacket(lane->wire.Out(), PacketType::kCanDo, {task});
  }
  lanes_.push_back(std::move(lane));
}

void JobServer::Upkeep(const TaskTurns& tasks, TimePoint now,
                       std::vector<std::unique_ptr<WorkerLane>>& gone) {
  lost_one_ = false;
  just_assigned_ = false;
  for (auto& lane : lanes_) {
    GiveUp(*lane, now);
    const Lane::State state = lane->wire.state();
    if (state == Lane::State::kUp) NoteUp(now);
    const bool lost = state == Lane::State::kLost;
    if (!lost && !(lane->draining && lane->held == 0)) continue;
    if (lost) NoteLost(*lane, now);
    lost_one_ = lost_one_ || lost;
    if (sleeper_ == lane.get()) sleeper_ = nullptr;
    asked_ -= lane->grabs;
    gone.push_back(std::move(lane));
  }
  std::erase(lanes_, nullptr);
  if (!lanes_.empty()) return;
  if (lost_one_) GoDown(now);
  // Without a lost lane the last one was closed by an abort, and the server is well.
  if (!down_ || now >= retry_at_) Open(tasks, now);
}

void JobServer::NoteUp(TimePoint now) {
  down_ = false;
  if (up_since_ == kNever) up_since_ = now;
}

void JobServer::GoDown(TimePoint now) {
  if (up_since_ != kNever && now - up_since_ >= kHealthy) failures_ = 0;
  retry_at_ = After(now, std::min(kRetryMin * (1U << std::min(failures_, 10U)), kRetryMax));
  ++failures_;
  down_ = true;
  up_since_ = kNever;
  window_ = kSharedDepth;
}

/// Loses a lane that has been waiting for too long.
void JobServer::GiveUp(WorkerLane& lane, TimePoint now) {
  if (lane.Coming() && now - lane.wire.WaitingSince() >= kConnectTimeout) {
    lane.wire.Lose("did not answer within 2 s");
  } else if (now >= After(lane.wire.WaitingSince(), kSilenceLimit) ||
             (lane.grabs > 0 && now >= After(asked_at_, kSilenceLimit))) {
    lane.wire.Lose("has not answered for 30 s");
  }
}

void JobServer::NoteLost(const WorkerLane& lane, TimePoint now) {
  reason_ = addresses_.empty() && !reason_.empty() ? reason_ : lane.wire.reason();
  // Where others live, it may be a limit of connections: make do with them for a while.
  grow_at_ = After(now, kGrowPause);
}

void JobServer::Tidy(TimePoint now) {
  std::size_t open = lanes_.size();
  for (const auto& lane : lanes_) {
    if (lane->wire.state() != Lane::State::kUp) continue;
    const bool idle = lane->Load() == 0 && lane->submits.empty() && lane.get() != sleeper_ &&
                      now - lane->used_at >= kIdleLane;
    if (idle && open > 1) {
      lane->draining = true;
      --open;
    } else if (lane->wire.Confirmed()) {
      lane->wire.Barrier(now);
      lane->wire.Flush();
    }
  }
}

void JobServer::Register(std::span<const std::string> added, std::span<const std::string> removed) {
  for (const auto& lane : lanes_) {
    std::string& out = lane->wire.Out();
    for (const std::string& task : removed) AppendPacket(out, PacketType::kCantDo, {task});
    for (const std::string& task : added) AppendPacket(out, PacketType::kCanDo, {task});
    lane->wire.Flush();
  }
  // gearmand does not wake a sleeping worker for what it has only just become able to do.
  if (!added.empty()) sleeper_ = nullptr;
}

void JobServer::LoseAll(const std::string& reason) {
  for (const auto& lane : lanes_) lane->wire.Lose(reason);
}

void JobServer::Close() {
  lanes_.clear();
  sleeper_ = nullptr;
  asked_ = 0;
  short_answer_ = false;
  window_ = kSharedDepth;
  failures_ = 0;
  down_ = false;
  up_since_ = kNever;
  retry_at_ = grow_at_ = TimePoint{};
}

bool JobServer::Askable(TimePoint now) const {
  return !down_ && sleeper_ == nullptr && !lanes_.empty() && !Late(now);
}

std::size_t JobServer::Ask(std::size_t most, bool brief, TaskTurns& tasks, TimePoint now) {
  const std::size_t count = std::min(most, window_);
  std::size_t load = count;
  for (const auto& lane : lanes_) load += lane->draining ? 0 : lane->Load();
  const std::size_t spread = (load + kSharedLanes - 1) / kSharedLanes;
  const std::size_t depth = brief && load > kFewJobs ? std::min(spread, kSharedDepth) : 1;
  Grow(load, depth, tasks, now);

  std::size_t left = count;
  bool coming = false;
  for (const auto& lane : lanes_) {
    coming = coming || (lane->Coming() && !lane->draining);
    if (!lane->Usable() || lane->Load() >= depth || left == 0) continue;
    const std::size_t part = std::min(left, depth - lane->Load());
    Grab(*lane, part, tasks, now);
    left -= part;
  }
  // No lane has room and none is coming: share them, the least loaded first.
  while (left > 0 && !coming) {
    WorkerLane* best = nullptr;
    for (const auto& lane : lanes_) {
      if (lane->Usable() && (best == nullptr || lane->Load() < best->Load())) best = lane.get();
    }
    if (best == nullptr) break;
    Grab(*best, 1, tasks, now);
    --left;
  }
  if (asked_ == count - left) asked_at_ = now;
  return count - left;
}

void JobServer::Grow(std::size_t load, std::size_t depth, const TaskTurns& tasks, TimePoint now) {
  if (now < grow_at_) return;
  const std::size_t wanted = std::min((load + depth - 1) / depth, kMostLanes);
  std::size_t have = 0;
  for (const auto& lane : lanes_) have += lane->draining ? 0U : 1U;
  for (; have < wanted; ++have) Open(tasks, now);
}

void JobServer::Grab(WorkerLane& lane, std::size_t count, TaskTurns& tasks, TimePoint now) {
  std::string& out = lane.wire.Out();
  // gearmand serves the task that a connection registered last as long as it has jobs, and starves
  // the others. Registering another one anew puts that one first.
  if (tasks.names.size() > 1 && now >= lane.turn_at) {
    const std::string& task = tasks.names[tasks.next++ % tasks.names.size()];
    AppendPacket(out, PacketType::kCantDo, {task});
    AppendPacket(out, PacketType::kCanDo, {task});
    lane.turn_at = After(now, kTurn);
  }
  for (std::size_t i = 0; i < count; ++i) AppendPacket(out, PacketType::kGrabJob, {});
  lane.grabs += count;
  lane.used_at = now;
  asked_ += count;
  // Where jobs trickle in, the wish to be woken for the next one goes with the question: no further
  // question tells that there is none, and when there is one the NOOP comes with the answer.
  if (window_ == 1) Sleep(lane);
}

void JobServer::Sleep(WorkerLane& lane) {
  AppendPacket(lane.wire.Out(), PacketType::kPreSleep, {});
  sleeper_ = &lane;
}

void JobServer::Answered(WorkerLane& lane) {
  --lane.grabs;
  --asked_;
  if (asked_ > 0) return;
  // A queue that runs dry costs no useless question for each idle worker.
  if (std::exchange(short_answer_, false)) {
    window_ = std::max<std::size_t>(1, window_ / 2);
  } else if (window_ > 1) {
    window_ = std::min(window_ * 2, kMostAsked);
  }
}

void JobServer::OnAssigned(WorkerLane& lane, TimePoint now) {
  ++lane.held;
  lane.used_at = now;
  just_assigned_ = true;
  Answered(lane);
}

void JobServer::OnNoJob(WorkerLane& lane) {
  short_answer_ = true;
  Answered(lane);
  if (sleeper_ != nullptr) return;
  Sleep(lane);
  lane.wire.Flush();
}

void JobServer::OnNoop() {
  sleeper_ = nullptr;
  if (window_ == 1 && just_assigned_) window_ = 2;  // It came with a job: there are several.
}

}  // namespace workmand::gearman
