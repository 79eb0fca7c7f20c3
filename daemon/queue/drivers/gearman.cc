#include "daemon/queue/drivers/gearman.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/gearman_client.h"
#include "daemon/queue/drivers/gearman_submit.h"

namespace workmand {
namespace gearman {
namespace {

/// Once a server is up, the others get this long to join the start of the session.
constexpr Duration kJoinTime{100};
constexpr Duration kTickInterval{10'000};
/// Nothing that came for so long has been read; shorter than any patience with a server.
constexpr Duration kUnheard{1'000};
/// Jobs held for less than this on average may share a lane: an aborted one comes back as soon as
/// its neighbours are finished.
constexpr double kShortJobMs = 50;

void LogChange(const JobServer& server) {
  if (server.down()) {
    log::Warn("gearman server lost", {{"server", server.name()}, {"reason", server.reason()}});
  } else {
    log::Info("gearman server up", {{"server", server.name()}});
  }
}

}  // namespace

GearmanQueue::GearmanQueue(std::vector<HostPort> servers, std::string_view profile_name) {
  std::string client_id = "workmand:" + std::string(profile_name);
  std::replace_if(
      client_id.begin(), client_id.end(), [](char c) { return c <= ' ' || c > '~'; }, '_');
  for (HostPort& server : servers) {
    servers_.push_back(std::make_unique<JobServer>(std::move(server), client_id));
  }
}

Caps GearmanQueue::GetCaps() const {
  return GearmanCaps();
}

void GearmanQueue::RequireSession() const {
  if (!connected_) throw ConnectionLost("gearman: not connected");
}

void GearmanQueue::Connect() {
  Disconnect();
  connected_ = true;
  for (const auto& server : servers_) server->Resolve();
  TimePoint now = Clock::now();
  for (const auto& server : servers_) server->Open(tasks_, now);
  const TimePoint give_up = After(now, kConnectTimeout);
  TimePoint until = give_up;
  for (;;) {
    Upkeep(now);
    bool undecided = false;
    for (const auto& server : servers_) {
      const bool up = !server->lanes().empty() && server->lanes().front()->Usable();
      if (up) until = std::min(until, After(now, kJoinTime));
      undecided = undecided || (!up && !server->down());
    }
    if (!undecided || (now >= until && until < give_up)) return;
    // A lane that hangs is given up by Upkeep, so this ends.
    (void)Turn(nullptr, After(now, kJoinTime));
    now = Clock::now();
  }
}

void GearmanQueue::Disconnect() noexcept {
  connected_ = false;
  ready_.clear();
  held_.clear();
  for (const auto& server : servers_) server->Close();
  if (producer_ != nullptr) producer_->Disconnect();
  producer_.reset();
}

void GearmanQueue::RegisterTasks(std::span<const Subscription> tasks) {
  std::set<std::string, std::less<>> wanted;
  for (const Subscription& entry : tasks) {
    if (entry.task == "*") throw Rejected("gearman cannot serve \"*\": it needs names of tasks");
    RequireTaskName(entry.task);
    wanted.insert(entry.task);
  }
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::set_difference(wanted.begin(), wanted.end(), task_names_.begin(), task_names_.end(),
                      std::back_inserter(added));
  std::set_difference(task_names_.begin(), task_names_.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(removed));
  tasks_.names.assign(wanted.begin(), wanted.end());
  task_names_ = std::move(wanted);
  for (const auto& server : servers_) server->Register(added, removed);
  for (const Ready& entry : ready_) {
    if (!task_names_.contains(entry.job.task)) GiveBack(*entry.lane);
  }
  std::erase_if(ready_,
                [this](const Ready& entry) { return !task_names_.contains(entry.job.task); });
}

Queue& GearmanQueue::Producer() {
  if (producer_ == nullptr) {
    std::vector<HostPort> servers;
    for (const auto& server : servers_) servers.push_back(server->where());
    auto producer = std::make_unique<GearmanProducer>(std::move(servers));
    producer->Connect();
    producer_ = std::move(producer);
  }
  return *producer_;
}

std::string GearmanQueue::Put(const Enqueue& job) {
  RequireSession();
  return Producer().Put(job);
}

void GearmanQueue::Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) {
  RequireSession();
  Producer().Collect(out, timeout, waker);
}

void GearmanQueue::TakeProgress(std::vector<ProgressNote>& out) {
  if (producer_ != nullptr) producer_->TakeProgress(out);
}

void GearmanQueue::Upkeep(TimePoint now) {
  std::vector<std::unique_ptr<WorkerLane>> gone;
  std::vector<const JobServer*> changed;
  bool alive = false;
  for (const auto& server : servers_) {
    const bool was_down = server->down();
    server->Upkeep(tasks_, now, gone);
    alive = alive || !server->down();
    if (server->down() != was_down) changed.push_back(server.get());
  }
  // When all are lost, the exception tells it.
  if (!alive) LoseSession();
  for (const JobServer* server : changed) LogChange(*server);
  if (!gone.empty()) Forget(gone);
}

void GearmanQueue::Forget(const std::vector<std::unique_ptr<WorkerLane>>& gone) {
  const auto was_on_gone = [&gone](const auto& entry) {
    return std::any_of(gone.begin(), gone.end(),
                       [&entry](const auto& lane) { return lane.get() == entry.lane; });
  };
  const std::size_t lost =
      std::erase_if(ready_, was_on_gone) +
      std::erase_if(held_, [&](auto& held) { return was_on_gone(held.second); });
  if (lost > 0) log::Warn("gearman jobs lost with their connection", {{"jobs", lost}});
}

void GearmanQueue::LoseSession() {
  std::string why;
  for (const auto& server : servers_) {
    why += (why.empty() ? "gearman: " : "; ") + server->name() + " " + server->reason();
  }
  Disconnect();
  throw ConnectionLost(why);
}

bool GearmanQueue::Turn(const Waker* waker, TimePoint until) {
  for (const auto& server : servers_) {
    for (const auto& lane : server->lanes()) {
      // A mere look is at all of them.
      if (until != TimePoint{} && server->Quiet(*lane)) continue;
      lane->wire.Flush();
      poller_.Add(lane->wire);
    }
  }
  const bool woken = poller_.Wait(waker, until);
  const TimePoint now = turned_at_ = Clock::now();
  for (const auto& server : servers_) {
    for (const auto& lane : server->lanes()) TakePackets(*server, *lane, now);
  }
  return woken;
}

void GearmanQueue::TakePackets(JobServer& server, WorkerLane& lane, TimePoint now) {
  Packet packet;
  while (lane.wire.Take(packet)) OnPacket(server, lane, packet, now);
}

std::string GearmanQueue::IdOf(const JobServer& server, std::string_view handle) const {
  // Handles are unique to their server only; with one server the bare handle is what every other
  // Gearman tool shows.
  if (servers_.size() == 1) return std::string(handle);
  return server.name() + "/" + std::string(handle);
}

void GearmanQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                           const Waker& waker) {
  RequireSession();
  if (n == 0) return;
  TimePoint now = Clock::now();
  const TimePoint deadline = After(now, timeout);
  bool woken = false;
  // After a pause, what has come is read before a server is judged by its silence.
  if (now >= After(turned_at_, kUnheard)) (void)Turn(nullptr, TimePoint{});
  for (;;) {
    Upkeep(now);
    if (ready_.empty()) Ask(n, now);
    // A GRAB_JOB is answered at once: waiting for the answers that are due is no wait for jobs.
    if (const auto due = DueUntil(now)) {
      (void)Turn(nullptr, *due);
    } else {
      if (HandOut(out, n, now) || woken || now >= deadline) return;
      woken = Turn(&waker, std::min(deadline, LookAgainAt()));
    }
    now = Clock::now();
  }
}

void GearmanQueue::Ask(std::size_t n, TimePoint now) {
  std::size_t asked = 0;
  std::size_t askable = 0;
  for (const auto& server : servers_) {
    asked += server->Due(now);
    askable += server->Askable(now) ? 1U : 0U;
  }
  if (asked >= n || askable == 0 || task_names_.empty()) return;
  std::size_t left = n - asked;
  const std::size_t first = first_server_++;
  for (std::size_t i = 0; i < servers_.size() && left > 0 && askable > 0; ++i) {
    JobServer& server = *servers_[(first + i) % servers_.size()];
    if (!server.Askable(now)) continue;
    const std::size_t share = (left + askable - 1) / askable;
    left -= server.Ask(share, mean_hold_ms_ < kShortJobMs, tasks_, now);
    --askable;
  }
}

std::optional<TimePoint> GearmanQueue::DueUntil(TimePoint now) const {
  std::optional<TimePoint> until;
  for (const auto& server : servers_) {
    if (server->Due(now) > 0) until = std::max(until.value_or(now), server->DueUntil());
  }
  return until;
}

TimePoint GearmanQueue::LookAgainAt() const {
  TimePoint at = kNever;
  for (const auto& server : servers_) {
    if (server->down() && server->lanes().empty()) at = std::min(at, server->retry_at());
    for (const auto& lane : server->lanes()) {
      if (lane->wire.state() == Lane::State::kLost) return TimePoint{};
      if (!lane->wire.Confirmed()) {
        at = std::min(
            at, After(lane->wire.WaitingSince(), lane->Coming() ? kConnectTimeout : kSilenceLimit));
      }
    }
  }
  return at;
}

bool GearmanQueue::HandOut(std::vector<Job>& out, std::size_t n, TimePoint now) {
  const std::size_t before = out.size();
  while (!ready_.empty() && out.size() - before < n) {
    Ready next = std::move(ready_.front());
    ready_.pop_front();
    next.job.token = Token{++last_token_};
    held_.emplace(last_token_, Held{std::move(next.handle), next.lane, now});
    out.push_back(std::move(next.job));
  }
  return out.size() > before;
}

Duration GearmanQueue::Tick() {
  if (!connected_) return kTickInterval;
  // Answers wait unread while the daemon wants no jobs: read before judging a server by its
  // silence.
  (void)Turn(nullptr, TimePoint{});
  const TimePoint now = Clock::now();
  for (const auto& server : servers_) {
    if (server->down()) server->Resolve();
    server->Tidy(now);
  }
  Upkeep(now);
  if (producer_ != nullptr) (void)producer_->Tick();
  return kTickInterval;
}

}  // namespace gearman

Caps GearmanCaps() {
  return {Cap::kWait | Cap::kForeground | Cap::kPriority | Cap::kUnique | Cap::kProgress |
              Cap::kPartialData | Cap::kInstantRequeue | Cap::kConfirmedAck | Cap::kAtLeastOnce |
              Cap::kUncountedAbort,
          gearman::kMaxPayload};
}

Result<std::unique_ptr<Queue>> OpenGearman(const DriverConfig& config, Role role) {
  gearman::ServerList list = gearman::ReadServers(config.options);
  if (!list.errors.empty()) {
    const QueueKeyError& error = list.errors.front();
    return Fail(ErrorCode::kInvalid, error.key + ": " + error.sentence);
  }
  if (role == Role::kProducer) {
    return std::make_unique<gearman::GearmanProducer>(std::move(list.servers));
  }
  return std::make_unique<gearman::GearmanQueue>(std::move(list.servers), config.profile_name);
}

}  // namespace workmand
