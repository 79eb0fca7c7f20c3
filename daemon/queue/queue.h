// The one interface of every queue. A driver implements Queue; the pump drives it; the conformance
// suite (conformance.h) proves it. docs/queues.md tells what each driver promises.
//
// Threads: all methods of one instance are called by one thread, its queue thread, never
// re-entered; a driver needs no locks. The only thing that another thread touches is Waker::Wake.
// A daemon has two instances: one consumes (RegisterTasks, Dequeue, Apply), one produces (Put,
// Collect).
//
// Errors: a driver throws ConnectionLost or Rejected and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/base/time.h"

namespace workmand {

/// What a driver can do. Behaviour, not quality: the suite runs the cases a capability allows.
enum class Cap : std::uint32_t {
  kWait = 1U << 0U,        ///< a blocked Dequeue learns of a new job at once (else it polls)
  kForeground = 1U << 1U,  ///< Enqueue::foreground and Collect work
  kPriority = 1U << 2U,
  kUnique = 1U << 3U,
  kDelay = 1U << 4U,        ///< Enqueue::delay
  kAttempts = 1U << 5U,     ///< keeps Job::attempt and Job::deliveries over redelivery
  kMaxAttempts = 1U << 6U,  ///< keeps Enqueue::max_attempts
  kRetryDelay = 1U << 7U,   ///< kFail with retry comes back after Update::delay. Without it the
                            ///< daemon holds the job and retries it itself
  kAbortDelay = 1U << 8U,
  kHoldSurvives = 1U << 9U,  ///< tokens stay valid over a reconnect
  kLease = 1U << 10U,        ///< holds end by time; the pump renews them with kExtend
  kProgress = 1U << 11U,
  kPartialData = 1U << 12U,
  kDurable = 1U << 13U,         ///< jobs survive the death of the server
  kDeadLetter = 1U << 14U,      ///< a job that failed for good can be listed
  kInstantRequeue = 1U << 15U,  ///< Disconnect, or death, gives held jobs back at once
  kOrdered = 1U << 16U,         ///< first in, first out for one consumer and priority
  kCount = 1U << 17U,           ///< Size works
  kConfirmedAck = 1U << 18U,    ///< Apply returns after the server has accepted
  kAtLeastOnce = 1U << 19U,
  kUncountedAbort = 1U << 20U,  ///< kAbort does not count as an attempt
};

struct Caps {
  std::uint32_t bits = 0;
  std::size_t max_payload = 0;  ///< bytes; 0 = no limit of the driver's own
  /// Delays and leases end at multiples of this, never early: the queue's clock is that coarse.
  Duration time_step{1};
  /// Where jobs can be lost (no kAtLeastOnce): what completes "jobs are lost if", for whoever reads
  /// the profile with --check. Empty = never.
  std::string_view lost_if = {};
  [[nodiscard]] bool Has(Cap cap) const { return (bits & static_cast<std::uint32_t>(cap)) != 0; }
};
constexpr std::uint32_t operator|(Cap a, Cap b) {
  return static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b);
}
constexpr std::uint32_t operator|(std::uint32_t a, Cap b) {
  return a | static_cast<std::uint32_t>(b);
}

/// The session is gone: the pump backs off and calls Connect again.
/// (Visible: modules throw it, and the program that loaded them must know it again. So is Queue.)
struct [[gnu::visibility("default")]] ConnectionLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// This request cannot be done, now or later; the connection is fine.
struct [[gnu::visibility("default")]] Rejected : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Ends a driver's wait from another thread: an eventfd, sticky until Take.
class Waker {
 public:
  enum class Why { kTimeout, kReady, kWoken };

  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// Any thread, also a signal-unsafe one: one write(2).
  void Wake() const noexcept;
  /// Clears it; true when it was set. The pump calls it, drivers never do.
  [[nodiscard]] bool Take() const noexcept;
  /// The same for a Wake that has been decided on: waits the moment that it may still take.
  void TakeSure() const noexcept;
  /// Waits for `fd` (-1 = none) to have `events` (poll(2) bits), for Wake, or for `timeout`.
  [[nodiscard]] Why Wait(int fd, short events, Duration timeout) const;

 private:
  int fd_;
};

/// A task that the daemon serves, with what a driver may want to know about it.
struct Subscription {
  std::string task;
  friend bool operator==(const Subscription&, const Subscription&) = default;
};

/// A sign of life of a foreground job, before its result (kProgress, kPartialData).
struct ProgressNote {
  std::string id;                               ///< as returned by Queue::Put
  Update::Kind kind = Update::Kind::kProgress;  ///< kProgress or kData
  std::string bytes;
  double numerator = 0;
  double denominator = 0;
};

/// A job that failed for good (kDeadLetter).
struct DeadLetter {
  std::string id;
  std::string task;
  std::string payload;
  std::string error;  ///< JSON object, from the last kFail
  int attempts = 0;   ///< ends that the job caused
  int deliveries = 0;
  std::int64_t failed_at_ms = 0;  ///< Unix epoch; 0 = unknown
};

class [[gnu::visibility("default")]] Queue {
 public:
  virtual ~Queue() = default;

  [[nodiscard]] virtual Caps GetCaps() const = 0;

  /// Opens the session and registers the tasks again. Throws ConnectionLost; blocks for at most a
  /// few seconds. Afterwards the tokens of the former session are dead unless kHoldSurvives.
  virtual void Connect() = 0;
  /// Ends the session; with kInstantRequeue every held job is back on the queue.
  virtual void Disconnect() noexcept = 0;

  /// Replaces the set of tasks; takes effect before the next Dequeue returns and survives a
  /// reconnect. A set with one entry "*" means every task, where the driver can.
  virtual void RegisterTasks(std::span<const Subscription> tasks) = 0;

  /// Puts a job on the queue and returns its id. Throws Rejected for an option it cannot honour.
  virtual std::string Put(const Enqueue& job) = 0;
  /// Puts several in one go (one transaction where there is one). ids[i] is empty and why[i] a
  /// sentence where job i was refused; the others are in.
  virtual void PutMany(std::span<const Enqueue> jobs, std::vector<std::string> & ids,
                       std::vector<std::string> & why);
  /// Waits up to `timeout`, or until woken, for results of foreground jobs that this instance put
  /// (all of them at once), and appends them.
  virtual void Collect(std::vector<Reply> & out, Duration timeout, const Waker& waker);
  /// Appends what foreground jobs have told of their progress, in order; never waits. Collect ends
  /// early when a note is there. Notes of a job come before its reply: call it after each Collect.
  virtual void TakeProgress(std::vector<ProgressNote> & out);

  /// Appends 0..n jobs. Returns at once when at least one is there (never waits to fill n) or when
  /// n == 0; else waits up to `timeout` and returns within 50 ms of a Wake, perhaps empty. A job
  /// whose fetch completes during the wake is returned now or next time, never dropped. Never
  /// returns a job of a task that is not registered.
  virtual void Dequeue(std::vector<Job> & out, std::size_t n, Duration timeout,
                       const Waker& waker) = 0;
  /// A hint from the pump: right after the next Apply it will call Dequeue for up to `n` jobs. A
  /// driver may then settle and fetch in one round trip. Forgotten with that Apply.
  virtual void WillDequeue(std::size_t n);
  /// Applies updates in order; answers[i] says what became of update i. kDone, kFail and kAbort use
  /// the token up even when the answer is kLost. When it throws ConnectionLost every token of the
  /// batch counts as unknown: redelivery is legal (at least once).
  virtual void Apply(std::span<const Update> updates, std::span<Applied> answers) = 0;

  /// Housekeeping (expired leases, old results, heartbeats); returns when to call it next.
  virtual Duration Tick();
  /// When Tick is due at the latest, asked after each Dequeue that brought jobs: a driver that
  /// renews holds of its own may need it sooner than its last Tick could know. kNever: as Tick
  /// said.
  [[nodiscard]] virtual TimePoint TickDue() const;
  /// Jobs waiting of one task ("" = all), where kCount.
  virtual std::optional<std::uint64_t> Size(std::string_view task);
  /// Age of the oldest waiting job in ms, where the queue knows.
  virtual std::optional<std::int64_t> OldestMs();

  /// Up to `limit` jobs that failed for good, the newest first; where kDeadLetter.
  virtual std::vector<DeadLetter> DeadLetters(std::size_t limit);
  /// Puts a dead job back on the queue as if new (same id, no attempts); false = no such id.
  virtual bool RetryDead(std::string_view id);
  /// Deletes a dead job; false = no such id.
  virtual bool DropDead(std::string_view id);
};

}  // namespace workmand
