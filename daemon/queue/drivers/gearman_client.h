// The Gearman driver, producer's side: puts jobs and collects the results of foreground ones.
// Driven by the producer's thread. Never takes jobs.
//
// Background jobs go through libgearman, the client library of everybody else, and so look like
// everybody else's. Foreground jobs do not: libgearman's client waits inside the library, with no
// fd to poll and no way to be woken from another thread, and one call waits for one job. The daemon
// waits for all its callers at once and must end that wait within 50 ms, so this side of it uses
// the driver's own packets, on a lane of its own (gearman_lane.h). So do large payloads, which
// libgearman sends very slowly.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <libgearman-1.0/gearman.h>

#include "daemon/queue/drivers/gearman_lane.h"
#include "daemon/queue/queue.h"

namespace workmand::gearman {

/// How long a server may take to accept a job.
inline constexpr Duration kAcceptTimeout{5'000};

class GearmanProducer final : public Queue {
 public:
  explicit GearmanProducer(std::vector<HostPort> servers);

  [[nodiscard]] Caps GetCaps() const override;
  /// Throws ConnectionLost unless at least one server answers.
  void Connect() override;
  /// Nobody gets a reply any more; the queued jobs of foreground callers are dropped by gearmand.
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  /// Takes the servers in turn, and the next one where one is away or silent: a job that a server
  /// accepted without being able to say so is then put twice.
  std::string Put(const Enqueue& job) override;
  /// When a server is lost, its callers get kFailed.
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override;
  void TakeProgress(std::vector<ProgressNote>& out) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;

 private:
  struct FreeClient {
    void operator()(gearman_client_st* client) const { gearman_client_free(client); }
  };
  struct Waiting {
    /// Several submits of one unique key share a handle, and each gets an answer of its own.
    std::deque<std::string> ids;
    /// The last WORK_WARNING: the reason, should the job fail (see WriteFailure).
    std::string warning;
  };
  struct Server {
    HostPort where;
    std::string name;
    std::unique_ptr<gearman_client_st, FreeClient> client;  ///< small background jobs
    std::unique_ptr<Lane> lane;                             ///< foreground and large jobs
    std::unordered_map<std::string, Waiting> waiting;       ///< foreground jobs by handle
    bool submitting_foreground = false;                     ///< what the submit under way is
    std::string created;     ///< the handle of the submit under way, once it came
    std::string created_id;  ///< the id that Put returns for it
    std::string refused;     ///< why the submit under way was refused
    TimePoint retry_at{};
    std::string reason;  ///< why it was last away
  };

  template <typename Attempt>
  std::string OnSomeServer(const Attempt& attempt);
  bool PutByLibrary(Server& server, const Enqueue& job, std::string& id);
  bool PutOnLane(Server& server, const Enqueue& job, std::string& id);
  /// Opens the lane unless it is up; waits for that. False when the server is away.
  bool EnsureLane(Server& server);
  /// Reads what came without waiting.
  void Read(Server& server);
  void OnCreated(Server& server, std::string_view handle);
  void OnPacket(Server& server, const Packet& packet);
  void OnWork(Server& server, const Packet& packet);
  void Finish(Server& server, const std::string& handle, Reply::State state, std::string bytes);
  /// Drops a lost lane: its callers get kFailed.
  void Sweep(Server& server);
  void NoteAway(Server& server, std::string reason);
  [[nodiscard]] std::string IdOf(const Server& server, std::string_view handle) const;

  std::vector<Server> servers_;
  std::size_t next_server_ = 0;
  std::uint64_t duplicates_ = 0;
  bool connected_ = false;
  LanePoller poller_;
  std::vector<Reply> replies_;
  std::vector<ProgressNote> notes_;
};

}  // namespace workmand::gearman
