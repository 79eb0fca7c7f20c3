// Drives one consumer driver on a thread of its own: batches both ways, back-off and reconnect,
// lease renewal. Knows no libuv: it is given a function that wakes the loop.
//
// Threads: the public members are called by the loop thread. Everything that touches the driver
// runs on the pump's thread. They meet in one mailbox under one mutex.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/queue.h"

namespace workmand {

/// An answer to a settlement (kDone, kFail, kAbort), for the log and the counters, and to a kData
/// with a source; a kOk without a source is what everybody expects, and is not told. Also a kExtend
/// that was answered kLost, the pump's own renewals included: the job may run elsewhere now.
struct AppliedUpdate {
  Token token;
  Update::Kind kind = Update::Kind::kDone;
  Applied answer = Applied::kOk;
  std::uint64_t source = 0;  ///< of the update
  std::size_t size = 0;      ///< of its `bytes`, which the pump holds no longer
};

struct PumpState {
  enum class Link { kConnecting, kUp, kDown, kDegraded };
  Link link = Link::kConnecting;
  std::string error;                   ///< why it is not up
  std::optional<std::uint64_t> depth;  ///< jobs waiting, refreshed about once a second on demand
  std::optional<std::int64_t> oldest_ms;
  friend bool operator==(const PumpState&, const PumpState&) = default;
};

/// What the pump has for the loop since the last Drain.
struct PumpBatch {
  std::vector<Job> jobs;
  std::vector<AppliedUpdate> applied;
  /// The session was lost (and, without kHoldSurvives, every token drained before this batch;
  /// `jobs` of this batch are of the session after it).
  bool session_lost = false;
  std::string lost_because;        ///< why, also when the link is up again by now
  std::optional<PumpState> state;  ///< when it changed; only the newest
  void Clear();
};

struct PumpOptions {
  Duration dequeue_interval{1'000};
  Duration lease_time{60'000};
  Duration backoff_min{100};
  Duration backoff_max{30'000};
};

class Pump {
 public:
  /// Starts the thread. `wake_loop` is called from it, at most once per batch.
  Pump(std::unique_ptr<Queue> driver, PumpOptions options, std::function<void()> wake_loop);
  /// Stops if Stop was not called: applies what was posted, disconnects, joins.
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  [[nodiscard]] Caps caps() const;
  /// Replaces the set of tasks to fetch.
  void Subscribe(std::vector<Subscription> tasks);
  /// How many jobs in all, counted from the start, may have been handed out by now: the pump
  /// fetches at most `total` minus those it has handed out. Monotone use avoids a race with a batch
  /// that is on its way.
  void Grant(std::uint64_t total);
  /// Adds settlements and other updates; moved out of `updates`, which is left empty.
  /// `urgent`: wake the pump now; else it may wait for up to about a millisecond, for a batch.
  void Post(std::vector<Update>& updates, bool urgent);
  /// Both at once, which wakes the pump at most once.
  void Post(std::vector<Update>& updates, bool urgent, std::uint64_t total);
  /// Takes what has come for the loop. Leases need no call: the pump renews each job it handed out,
  /// every lease_time/3, until it is settled.
  void Drain(PumpBatch& out);
  /// Asks for a fresh depth; arrives in PumpBatch::state.
  void AskDepth();
  /// Applies what was posted, disconnects and ends the thread; returns when it has ended or
  /// `timeout` is over (then the thread is left to the end of the process, and false is returned).
  bool Stop(Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The producer's side: a driver instance on a thread of its own that puts jobs and collects the
/// results of the foreground ones.
class Producer {
 public:
  struct PutResult {
    std::string id;     ///< empty when refused
    std::string error;  ///< a sentence when refused or the queue is down
  };
  struct Done {
    std::uint64_t request = 0;
    std::optional<PutResult> put;
    std::optional<Reply> reply;
    std::optional<ProgressNote> progress;  ///< where the driver has kProgress or kPartialData
  };

  Producer(std::unique_ptr<Queue> driver, PumpOptions options, std::function<void()> wake_loop);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Asynchronous: a Done with `put` follows for `request`, and, for a foreground job, later one
  /// with `reply`, after any with `progress`. While the queue is down it is refused at once. When
  /// the session is lost under a waiting foreground job, and the driver has no kHoldSurvives, its
  /// reply is kFailed and says so.
  void Put(std::uint64_t request, Enqueue job);
  /// The caller of `request` has gone: its reply is no longer wanted.
  void Forget(std::uint64_t request);
  void Drain(std::vector<Done>& out);
  bool Stop(Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace workmand
