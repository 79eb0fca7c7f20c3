#include "daemon/queue/drivers/gearman_client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/gearman_submit.h"

namespace workmand::gearman {
namespace {

constexpr Duration kTickInterval{10'000};
/// A server that was away is asked last for so long.
constexpr Duration kAwayPause{1'000};
/// Larger payloads of background jobs do not go through libgearman: it sends through a buffer of
/// 32 KiB that stalls on delayed acknowledgements, 4 MiB for 1.7 s and 64 MiB for 40 s on loopback.
constexpr std::size_t kLibraryPayload = std::size_t{64} * 1024;

/// Whether another server, or the same one later, may still take the job.
bool IsConnectionTrouble(gearman_return_t code) {
  constexpr std::array kTrouble{
      GEARMAN_ERRNO,          GEARMAN_GETADDRINFO,       GEARMAN_NO_SERVERS,
      GEARMAN_NO_ACTIVE_FDS,  GEARMAN_LOST_CONNECTION,   GEARMAN_NOT_CONNECTED,
      GEARMAN_TIMEOUT,        GEARMAN_COULD_NOT_CONNECT, GEARMAN_INVALID_MAGIC,
      GEARMAN_INVALID_PACKET, GEARMAN_UNEXPECTED_PACKET, GEARMAN_INVALID_COMMAND,
  };
  for (const gearman_return_t trouble : kTrouble) {
    if (code == trouble) return true;
  }
  return false;
}

double Number(std::string_view text) {
  return std::strtod(std::string(text).c_str(), nullptr);
}

}  // namespace

GearmanProducer::GearmanProducer(std::vector<HostPort> servers) {
  // Programs that put one job each must not all begin with the same server.
  next_server_ = static_cast<std::size_t>(Clock::now().time_since_epoch().count());
  for (HostPort& where : servers) {
    Server server;
    server.name = ToString(where);
    server.where = std::move(where);
    servers_.push_back(std::move(server));
  }
}

Caps GearmanProducer::GetCaps() const {
  return GearmanCaps();
}

void GearmanProducer::Connect() {
  Disconnect();
  bool any = false;
  std::string why = "gearman:";
  for (Server& server : servers_) {
    any = EnsureLane(server) || any;
    why += " " + server.name + " " + server.reason + ";";
  }
  why.pop_back();
  if (!any) throw ConnectionLost(why);
  connected_ = true;
}

void GearmanProducer::Disconnect() noexcept {
  connected_ = false;
  for (Server& server : servers_) {
    server.client.reset();
    server.lane.reset();
    server.waiting.clear();
    server.retry_at = TimePoint{};
  }
  replies_.clear();
  notes_.clear();
}

void GearmanProducer::RegisterTasks(std::span<const Subscription> /*tasks*/) {
  throw Rejected("gearman: this instance puts jobs and takes none");
}

void GearmanProducer::Dequeue(std::vector<Job>& /*out*/, std::size_t /*n*/, Duration /*timeout*/,
                              const Waker& /*waker*/) {
  throw Rejected("gearman: this instance puts jobs and takes none");
}

void GearmanProducer::Apply(std::span<const Update> /*updates*/, std::span<Applied> /*answers*/) {
  throw Rejected("gearman: this instance puts jobs and takes none");
}

std::string GearmanProducer::IdOf(const Server& server, std::string_view handle) const {
  // The same as GearmanQueue::IdOf, so that a producer can name its job to the daemon.
  if (servers_.size() == 1) return std::string(handle);
  return server.name + "/" + std::string(handle);
}

void GearmanProducer::NoteAway(Server& server, std::string reason) {
  server.reason = std::move(reason);
  server.retry_at = After(Clock::now(), kAwayPause);
}

template <typename Attempt>
std::string GearmanProducer::OnSomeServer(const Attempt& attempt) {
  const std::size_t first = next_server_++;
  const TimePoint now = Clock::now();
  std::vector<Server*> order;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    order.push_back(&servers_[(first + i) % servers_.size()]);
  }
  // Servers that were away a moment ago only when no other takes the job.
  std::stable_partition(order.begin(), order.end(),
                        [now](const Server* server) { return now >= server->retry_at; });
  std::string id;
  for (Server* server : order) {
    if (attempt(*server, id)) return id;
  }
  std::string why = "gearman:";
  for (const Server& server : servers_) why += " " + server.name + " " + server.reason + ";";
  why.pop_back();
  throw ConnectionLost(why);
}

std::string GearmanProducer::Put(const Enqueue& job) {
  if (!connected_) throw ConnectionLost("gearman: not connected");
  RequireSubmittable(job);
  return OnSomeServer([&](Server& server, std::string& id) {
    const bool by_lane = job.foreground || job.payload.size() > kLibraryPayload;
    return by_lane ? PutOnLane(server, job, id) : PutByLibrary(server, job, id);
  });
}

bool GearmanProducer::PutByLibrary(Server& server, const Enqueue& job, std::string& id) {
  if (server.client == nullptr) {
    server.client.reset(gearman_client_create(nullptr));
    if (server.client == nullptr) throw ConnectionLost("gearman: out of memory");
    gearman_client_set_timeout(server.client.get(), static_cast<int>(kAcceptTimeout.count()));
    (void)gearman_client_add_server(server.client.get(), server.where.host.c_str(),
                                    server.where.port);
  }
  const auto submit = [&job] {
    switch (job.priority) {
      case Priority::kLow: return gearman_client_do_low_background;
      case Priority::kHigh: return gearman_client_do_high_background;
      case Priority::kNormal: break;
    }
    return gearman_client_do_background;
  }();
  // libgearman wants null for what is empty.
  const char* unique = job.unique.empty() ? nullptr : job.unique.c_str();
  const char* payload = job.payload.empty() ? nullptr : job.payload.data();
  gearman_job_handle_t handle = {};
  const gearman_return_t code =
      submit(server.client.get(), job.task.c_str(), unique, payload, job.payload.size(), handle);
  if (gearman_success(code)) {
    id = IdOf(server, handle);
    return true;
  }
  std::string why = gearman_client_error(server.client.get());
  // A late answer to this job must not be taken for the next one's.
  server.client.reset();
  if (!IsConnectionTrouble(code)) throw Rejected("gearman refused the job: " + why);
  NoteAway(server, std::move(why));
  return false;
}

bool GearmanProducer::EnsureLane(Server& server) {
  if (server.lane != nullptr) Read(server);
  if (server.lane != nullptr) return true;
  const auto addresses = Resolve(server.where);
  if (!addresses) {
    NoteAway(server, addresses.error().message);
    return false;
  }
  TimePoint now = Clock::now();
  const TimePoint give_up = After(now, kConnectTimeout);
  auto lane = std::make_unique<Lane>(*addresses, now);
  AppendPacket(lane->Out(), PacketType::kOptionRequest, {"exceptions"});
  Packet packet;
  while (lane->state() == Lane::State::kConnecting || lane->state() == Lane::State::kGreeting) {
    if (now >= give_up) lane->Lose("did not answer within 2 s");
    poller_.Add(*lane);
    (void)poller_.Wait(nullptr, give_up);
    // Nothing but the answer to the option can come yet.
    while (lane->Take(packet)) continue;
    now = Clock::now();
  }
  if (lane->state() == Lane::State::kLost) {
    NoteAway(server, lane->reason());
    return false;
  }
  server.lane = std::move(lane);
  return true;
}

bool GearmanProducer::PutOnLane(Server& server, const Enqueue& job, std::string& id) {
  if (!EnsureLane(server)) return false;
  server.submitting_foreground = job.foreground;
  server.created.clear();
  server.created_id.clear();
  server.refused.clear();
  AppendSubmit(server.lane->Out(), job, !job.foreground);
  server.lane->Flush();
  const TimePoint give_up = After(Clock::now(), kAcceptTimeout);
  while (server.lane != nullptr && server.created.empty() && server.refused.empty()) {
    if (Clock::now() >= give_up) server.lane->Lose("did not accept a job within 5 s");
    poller_.Add(*server.lane);
    (void)poller_.Wait(nullptr, give_up);
    Read(server);
  }
  server.submitting_foreground = false;
  if (!server.refused.empty()) throw Rejected("gearman refused the job: " + server.refused);
  if (server.created.empty()) return false;
  id = server.created_id;
  return true;
}

/// The waiting entry must be there before the next packet is read: a quick job's result may stand
/// right behind its handle.
void GearmanProducer::OnCreated(Server& server, std::string_view handle) {
  server.created = handle;
  server.created_id = IdOf(server, handle);
  if (!server.submitting_foreground) return;
  std::deque<std::string>& ids = server.waiting[server.created].ids;
  if (!ids.empty()) server.created_id += "#" + std::to_string(++duplicates_);
  ids.push_back(server.created_id);
}

void GearmanProducer::Read(Server& server) {
  if (server.lane == nullptr) return;
  server.lane->Receive();
  Packet packet;
  while (server.lane->Take(packet)) OnPacket(server, packet);
  Sweep(server);
}

void GearmanProducer::Sweep(Server& server) {
  if (server.lane == nullptr || server.lane->state() != Lane::State::kLost) return;
  NoteAway(server, server.lane->reason());
  const std::string error = ErrorObject("the gearman server " + server.name + " " + server.reason);
  for (auto& [handle, entry] : server.waiting) {
    for (std::string& id : entry.ids) {
      replies_.push_back({std::move(id), Reply::State::kFailed, error});
    }
  }
  server.waiting.clear();
  server.lane.reset();
}

void GearmanProducer::OnPacket(Server& server, const Packet& packet) {
  std::array<std::string_view, 2> parts;
  if (packet.type == PacketType::kJobCreated) {
    OnCreated(server, packet.body);
  } else if (packet.type == PacketType::kError) {
    server.refused = SplitFields(packet.body, parts) ? parts[1] : packet.body;
    if (server.refused.empty()) server.refused = "it gave no reason";
  } else {
    OnWork(server, packet);
  }
}

void GearmanProducer::OnWork(Server& server, const Packet& packet) {
  const std::size_t nul = packet.body.find('\0');
  const std::string handle(packet.body.substr(0, nul));
  const std::string_view rest =
      nul == std::string_view::npos ? std::string_view() : packet.body.substr(nul + 1);
  const auto found = server.waiting.find(handle);
  if (found == server.waiting.end()) return;
  Waiting& waiting = found->second;
  if (packet.type == PacketType::kWorkComplete) {
    Finish(server, handle, Reply::State::kDone, std::string(rest));
  } else if (packet.type == PacketType::kWorkException) {
    // Ends the job in gearmand; where a WORK_FAIL follows, nobody waits for it any more.
    Finish(server, handle, Reply::State::kFailed, ErrorObject(rest));
  } else if (packet.type == PacketType::kWorkFail) {
    const bool told = !waiting.warning.empty();
    Finish(server, handle, Reply::State::kFailed,
           ErrorObject(told ? waiting.warning : "the job failed; its worker gave no reason"));
  } else if (packet.type == PacketType::kWorkWarning) {
    waiting.warning = rest;
  } else if (packet.type == PacketType::kWorkData) {
    notes_.push_back({waiting.ids.front(), Update::Kind::kData, std::string(rest)});
  } else if (packet.type == PacketType::kWorkStatus) {
    std::array<std::string_view, 2> numbers;
    if (!SplitFields(rest, numbers)) return;
    notes_.push_back(
        {waiting.ids.front(), Update::Kind::kProgress, {}, Number(numbers[0]), Number(numbers[1])});
  }
}

void GearmanProducer::Finish(Server& server, const std::string& handle, Reply::State state,
                             std::string bytes) {
  const auto found = server.waiting.find(handle);
  std::deque<std::string>& ids = found->second.ids;
  replies_.push_back({std::move(ids.front()), state, std::move(bytes)});
  ids.pop_front();
  if (ids.empty()) server.waiting.erase(found);
}

void GearmanProducer::Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) {
  if (!connected_) throw ConnectionLost("gearman: not connected");
  const TimePoint deadline = After(Clock::now(), timeout);
  bool last = false;
  for (;;) {
    for (Server& server : servers_) Read(server);
    if (last || !replies_.empty() || !notes_.empty()) break;
    for (Server& server : servers_) {
      if (server.lane != nullptr) poller_.Add(*server.lane);
    }
    last = poller_.Wait(&waker, deadline) || Clock::now() >= deadline;
  }
  for (Reply& reply : replies_) out.push_back(std::move(reply));
  replies_.clear();
}

void GearmanProducer::TakeProgress(std::vector<ProgressNote>& out) {
  for (ProgressNote& note : notes_) out.push_back(std::move(note));
  notes_.clear();
}

Duration GearmanProducer::Tick() {
  const TimePoint now = Clock::now();
  for (Server& server : servers_) {
    Read(server);
    if (server.lane == nullptr) continue;
    if (now >= After(server.lane->WaitingSince(), kSilenceLimit)) {
      server.lane->Lose("has not answered for 30 s");
      Sweep(server);
    } else if (server.lane->Confirmed()) {
      server.lane->Barrier(now);
      server.lane->Flush();
    }
  }
  return kTickInterval;
}

}  // namespace workmand::gearman
