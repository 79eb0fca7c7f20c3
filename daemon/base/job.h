// What flows between a queue and a worker: the job, what became of it, and the updates that tell
// the queue. Plain data; who may hold a job, and that it is settled exactly once, is core's affair.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/time.h"

namespace workmand {

enum class Priority : std::uint8_t { kLow, kNormal, kHigh };

/// A job as a driver hands it out.
struct Job {
  Token token;
  std::string id;    ///< the queue's own handle, stable over redelivery
  std::string task;  ///< without the profile's `queue.prefix`
  std::string payload;
  std::string unique;
  /// Which attempt this is, from 1: one more than the ends the job has caused so far (fail, crash,
  /// time-out, protocol error). Where the queue keeps no count (no Cap::kAttempts) it is 1.
  int attempt = 1;
  /// How often the job was handed out, this time included.
  int deliveries = 1;
  int max_attempts = 0;  ///< the job's own limit; 0 = none stated
  Priority priority = Priority::kNormal;
  bool wants_result = false;        ///< somebody may be waiting for the result
  bool drops_result = false;        ///< the queue has no use for the result: it need not be kept
  bool wants_progress = false;      ///< the queue can pass progress on
  std::int64_t enqueued_at_ms = 0;  ///< Unix epoch; 0 = unknown
};

/// A job to be put on a queue.
struct Enqueue {
  std::string task;
  std::string payload;
  std::string unique;  ///< empty = none
  Priority priority = Priority::kNormal;
  Duration delay{0};
  int max_attempts = 0;     ///< 0 = the profile's
  bool foreground = false;  ///< the producer waits for the result (Queue::Collect)
};

/// What became of one delivery.
enum class Outcome : std::uint8_t {
  kDone,
  kFail,     ///< the worker said so
  kAbort,    ///< not done, handed back; not an attempt
  kLost,     ///< the worker ended, or broke the protocol, while it held the job
  kTimeout,  ///< ended by its own time limit
};

/// No error that a driver is given is longer, whatever a worker says: queues keep it beside the
/// job, in places that are small (a header, a job of its own).
inline constexpr std::size_t kLongestError = 32'768;

/// One message to the driver about a job that it handed out.
struct Update {
  enum class Kind : std::uint8_t {
    kDone,      ///< job gone, `bytes` = result
    kFail,      ///< counts an attempt; `bytes` = error as JSON object, at most kLongestError;
                ///< `retry`: back after `delay`, else dead letter
    kAbort,     ///< back after `delay`; the attempt is not counted
    kProgress,  ///< `numerator`/`denominator`, best effort
    kData,      ///< partial result `bytes`, best effort
    kExtend,    ///< the lease now ends `delay` from now
  };
  Token token;
  Kind kind = Kind::kDone;
  std::string bytes;
  Duration delay{0};
  bool retry = false;
  /// kAbort of a job that never reached a worker: it does not count as a delivery either.
  bool never_ran = false;
  double numerator = 0;
  double denominator = 0;
  bool warn = false;  ///< kData: a warning rather than a part of the result
  /// Comes back with the answer: a word of the poster's own. 0 = nobody wants to know.
  std::uint64_t source = 0;
  /// Jobs that ride with a settlement. Drivers with transactions put them in with the settlement;
  /// others put them in first, so that a duplicate is possible there but never a loss.
  std::vector<Enqueue> enqueue;
  /// The job, for queues that keep no counts or no dead letters of their own (queue/ledger.h). With
  /// a kFail without `retry`: all of it, `attempt` and `deliveries` as they were. With a kExtend:
  /// it ended badly and the daemon keeps it for another try; with a kAbort: it ended badly and goes
  /// back all the same. Then `attempt` and `deliveries` are those to come, and there is no payload.
  std::shared_ptr<const Job> job;
};

/// Whether such an update ends the hold of its job; the others only tell something of it.
constexpr bool IsSettlement(Update::Kind kind) {
  return kind == Update::Kind::kDone || kind == Update::Kind::kFail || kind == Update::Kind::kAbort;
}

/// What a driver answers to one update.
enum class Applied : std::uint8_t {
  kOk,
  kLost,         ///< the token is no longer ours: the job may run, or have run, elsewhere
  kUnsupported,  ///< this queue has no such thing (a lease where holds are unlimited)
  kRefused,      ///< a follow-up job was refused; the settlement was not made
};

/// What a waiting producer gets.
struct Reply {
  enum class State : std::uint8_t { kDone, kFailed, kTimeout };
  std::string id;  ///< as returned by Queue::Put
  State state = State::kDone;
  std::string bytes;  ///< the result, or the error as JSON object
};

}  // namespace workmand
