// GearmanQueue, the half that takes in packets and settles jobs; gearman.cc has the session and the
// fetching.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/gearman.h"
#include "daemon/queue/drivers/gearman_submit.h"

namespace workmand::gearman {
namespace {

/// Gearman's progress is two whole numbers; a fraction is told in steps of this.
constexpr double kFractionSteps = 10'000;
constexpr double kMostWhole = 2'000'000'000;
/// Behind so much that a server has not read, progress is dropped, since it would be stale, and
/// partial data waits, so that it does not fill the memory while a server hangs.
constexpr std::size_t kMostUnsent = std::size_t{1} << 20U;

bool IsWhole(double number) {
  return number >= 0 && number <= kMostWhole && std::floor(number) == number;
}

std::string Whole(double number) {
  return std::to_string(std::llround(std::clamp(number, 0.0, kMostWhole)));
}

void WriteProgress(std::string& out, std::string_view handle, const Update& update) {
  double numerator = update.numerator;
  double denominator = update.denominator;
  if (!std::isfinite(numerator) || !std::isfinite(denominator)) return;
  if (!IsWhole(numerator) || !IsWhole(denominator)) {
    numerator = denominator > 0 ? numerator / denominator * kFractionSteps : 0;
    denominator = kFractionSteps;
  }
  AppendPacket(out, PacketType::kWorkStatus, {handle, Whole(numerator), Whole(denominator)});
}

void WriteNote(std::string& out, std::string_view handle, const Update& update) {
  if (update.kind == Update::Kind::kData) {
    const auto type = update.warn ? PacketType::kWorkWarning : PacketType::kWorkData;
    AppendPacket(out, type, {handle, update.bytes});
  } else {
    WriteProgress(out, handle, update);
  }
}

/// Not WORK_EXCEPTION: gearmand 1.1.20 ends the job there, and what it then sends to clients that
/// did not ask for exceptions is a WORK_FAIL with a NUL behind the handle, on which libgearman's
/// client, and with it the gearman program, waits for ever. A warning reaches every client.
void WriteFailure(std::string& out, std::string_view handle, std::string_view error) {
  if (!error.empty()) {
    AppendPacket(out, PacketType::kWorkWarning, {handle, error.substr(0, kMaxPayload)});
  }
  AppendPacket(out, PacketType::kWorkFail, {handle});
}

}  // namespace

void GearmanQueue::OnPacket(JobServer& server, WorkerLane& lane, const Packet& packet,
                            TimePoint now) {
  if (packet.type == PacketType::kJobAssign) {
    OnAssign(server, lane, packet.body, now);
  } else if (packet.type == PacketType::kNoJob && lane.grabs > 0) {
    server.OnNoJob(lane);
  } else if (packet.type == PacketType::kNoop) {
    server.OnNoop();
  } else if (packet.type == PacketType::kJobCreated || packet.type == PacketType::kError) {
    OnSubmitted(lane, packet);
  } else {
    log::Debug("gearman packet ignored",
               {{"server", server.name()}, {"type", static_cast<std::uint32_t>(packet.type)}});
  }
}

void GearmanQueue::OnAssign(JobServer& server, WorkerLane& lane, std::string_view body,
                            TimePoint now) {
  std::array<std::string_view, 4> fields;
  if (lane.grabs == 0 || !SplitFields(body, fields)) {
    lane.wire.Lose(lane.grabs == 0 ? "sent a job that was not asked for"
                                   : "sent a job without a handle, a task or a unique key");
    return;
  }
  server.OnAssigned(lane, now);
  if (!task_names_.contains(fields[1])) {
    // The task was given up while its job was on the way.
    GiveBack(lane);
    return;
  }
  Ready ready;
  ready.handle = fields[0];
  ready.lane = &lane;
  ready.job.id = IdOf(server, fields[0]);
  ready.job.task = fields[1];
  ready.job.unique = fields[2];
  ready.job.payload = fields[3];
  // Gearman does not tell a worker whether anybody waits.
  ready.job.wants_result = true;
  ready.job.wants_progress = true;
  ready_.push_back(std::move(ready));
}

void GearmanQueue::GiveBack(WorkerLane& lane) {
  lane.draining = true;
  --lane.held;
}

void GearmanQueue::OnSubmitted(WorkerLane& lane, const Packet& packet) {
  // JOB_NOT_FOUND is about an update of a job, never about a submit.
  const std::string_view code = packet.body.substr(0, packet.body.find('\0'));
  const bool failed = packet.type == PacketType::kError;
  if (lane.submits.empty() || (failed && code == "JOB_NOT_FOUND")) return;
  if (failed && lane.submits.front() < refused_.size()) refused_[lane.submits.front()] = true;
  lane.submits.pop_front();
}

void GearmanQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  RequireSession();
  std::fill(answers.begin(), answers.end(), Applied::kOk);
  SubmitFollowUps(updates, answers);

  const TimePoint now = Clock::now();
  std::vector<WorkerLane*> lane_of(updates.size(), nullptr);
  std::vector<WorkerLane*> touched;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (answers[i] == Applied::kRefused) continue;
    lane_of[i] = Settle(updates[i], answers[i], now);
    if (lane_of[i] != nullptr) touched.push_back(lane_of[i]);
  }
  Confirm(std::move(touched));
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const bool lost = lane_of[i] != nullptr && lane_of[i]->wire.state() == Lane::State::kLost;
    if (lost) answers[i] = Applied::kLost;
  }
  // Last, because it frees the lanes.
  Upkeep(Clock::now());
}

void GearmanQueue::SubmitFollowUps(std::span<const Update> updates, std::span<Applied> answers) {
  refused_.assign(updates.size(), false);
  std::vector<WorkerLane*> touched;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const auto held = held_.find(updates[i].token.value);
    if (updates[i].enqueue.empty() || held == held_.end()) continue;
    WorkerLane& lane = *held->second.lane;
    try {
      for (const Enqueue& job : updates[i].enqueue) RequireSubmittable(job);
    } catch (const Rejected& e) {
      log::Warn("gearman follow-up refused", {{"error", e.what()}});
      refused_[i] = true;
      continue;
    }
    for (const Enqueue& job : updates[i].enqueue) {
      AppendSubmit(lane.wire.Out(), job, true);
      lane.submits.push_back(i);
    }
    touched.push_back(&lane);
  }
  Confirm(std::move(touched));
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (refused_[i]) answers[i] = Applied::kRefused;
  }
  refused_.clear();
}

WorkerLane* GearmanQueue::Settle(const Update& update, Applied& answer, TimePoint now) {
  const auto held = held_.find(update.token.value);
  if (held == held_.end() || held->second.lane->wire.state() == Lane::State::kLost) {
    answer = Applied::kLost;
    return nullptr;
  }
  WorkerLane& lane = *held->second.lane;
  const std::string& handle = held->second.handle;
  switch (update.kind) {
    case Update::Kind::kProgress:
      if (lane.wire.Unsent() < kMostUnsent) WriteNote(lane.wire.Out(), handle, update);
      lane.wire.Flush();
      return nullptr;
    case Update::Kind::kData:
      if (update.bytes.size() > kMaxPayload) {
        answer = Applied::kUnsupported;
        return nullptr;
      }
      WriteNote(lane.wire.Out(), handle, update);
      SendOut(lane, now);
      if (lane.wire.state() == Lane::State::kLost) answer = Applied::kLost;
      return nullptr;
    case Update::Kind::kExtend: answer = Applied::kUnsupported; return nullptr;
    case Update::Kind::kDone:
      if (update.bytes.size() <= kMaxPayload) {
        AppendPacket(lane.wire.Out(), PacketType::kWorkComplete, {handle, update.bytes});
      } else {
        WriteFailure(lane.wire.Out(), handle,
                     R"({"message":"the result is too large for Gearman"})");
      }
      End(held, now);
      return &lane;
    case Update::Kind::kFail:
      if (!update.retry) {
        WriteFailure(lane.wire.Out(), handle, update.bytes);
        End(held, now);
        return &lane;
      }
      [[fallthrough]];  // See the header: a retry that reaches us must not lose the job.
    case Update::Kind::kAbort:
      lane.draining = true;
      End(held, now);
      break;
  }
  return nullptr;
}

void GearmanQueue::SendOut(WorkerLane& lane, TimePoint now) {
  lane.wire.Flush();
  TimePoint give_up = After(now, kConfirmTimeout);
  while (lane.wire.Unsent() > kMostUnsent && lane.wire.state() != Lane::State::kLost) {
    const std::size_t before = lane.wire.Unsent();
    poller_.Add(lane.wire);
    (void)poller_.Wait(nullptr, give_up);
    now = Clock::now();
    if (lane.wire.Unsent() < before) {
      give_up = After(now, kConfirmTimeout);
    } else if (now >= give_up) {
      lane.wire.Lose("took nothing of a result for 5 s");
    }
  }
}

void GearmanQueue::End(std::unordered_map<std::uint64_t, Held>::iterator held, TimePoint now) {
  const std::chrono::duration<double, std::milli> length = now - held->second.since;
  mean_hold_ms_ += (length.count() - mean_hold_ms_) / 64;
  --held->second.lane->held;
  held_.erase(held);
}

void GearmanQueue::Confirm(std::vector<WorkerLane*> lanes) {
  if (lanes.empty()) return;
  std::sort(lanes.begin(), lanes.end());
  lanes.erase(std::unique(lanes.begin(), lanes.end()), lanes.end());
  TimePoint now = Clock::now();
  const TimePoint give_up = After(now, kConfirmTimeout);
  for (WorkerLane* lane : lanes) {
    lane->wire.Barrier(now);
    lane->wire.Flush();
  }
  for (;;) {
    for (const auto& server : servers_) {
      for (const auto& lane : server->lanes()) {
        if (std::binary_search(lanes.begin(), lanes.end(), lane.get())) {
          TakePackets(*server, *lane, now);
        }
      }
    }
    std::erase_if(lanes, [](const WorkerLane* lane) {
      return lane->wire.state() == Lane::State::kLost ||
             (lane->wire.Confirmed() && lane->submits.empty());
    });
    if (lanes.empty()) return;
    if (now >= give_up) break;
    for (WorkerLane* lane : lanes) poller_.Add(lane->wire);
    (void)poller_.Wait(nullptr, give_up);
    now = Clock::now();
  }
  for (const auto& server : servers_) {
    const bool hangs =
        std::any_of(server->lanes().begin(), server->lanes().end(), [&lanes](const auto& lane) {
          return std::find(lanes.begin(), lanes.end(), lane.get()) != lanes.end();
        });
    if (hangs) server->LoseAll("did not confirm a settlement within 5 s");
  }
}

}  // namespace workmand::gearman
