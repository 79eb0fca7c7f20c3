// The part that decides. Events in, actions and settlements out; touches nothing: no clock, no
// process, no queue, no log. The supervisor calls it on the loop thread and empties the outbox
// after every call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/action.h"
#include "daemon/core/dispatcher.h"
#include "daemon/core/policy.h"
#include "daemon/core/pool.h"
#include "daemon/core/workers.h"

namespace workmand {

/// The state of the daemon as `workman status` shows it.
enum class DaemonPhase : std::uint8_t {
  kStarting,
  kRunning,
  kDegraded,
  kPaused,
  kReloading,
  kStopping
};
std::string_view ToString(DaemonPhase phase);

struct CoreOptions {
  std::shared_ptr<const Limits> limits;
  QueueTraits queue;
  std::uint64_t seed = 1;
  Dispatcher::MakeError make_error;
};

class Core {
 public:
  enum class ReadyIs : std::uint8_t {
    kFirst,
    kSecond,
    kTooLate,   ///< after start_timeout, when stdin was closed: it does not flush its stdout
    kUnwanted,  ///< it was told to go while it booted
  };
  enum class OutcomeIs : std::uint8_t { kSettled, kUnknown, kBeforeReady };

  explicit Core(CoreOptions options);

  /// Starts the first workers.
  void Begin(TimePoint now);

  // Workers.
  ReadyIs OnReady(SlotId id, std::shared_ptr<const Announcement> announced, TimePoint now);
  OutcomeIs OnOutcome(SlotId id, std::string_view delivery, OutcomeReport& report, TimePoint now);
  /// `delivery` may be empty (all of them). False when it names none in flight.
  bool OnHeartbeat(SlotId id, std::string_view delivery, Duration extend, TimePoint now);
  /// Its output is left unread (back-pressure), or read again.
  void OnUnread(SlotId id, bool unread, TimePoint now);
  void OnRetire(SlotId id, TimePoint now);
  /// `scored`: adds to the count that max_violations limits.
  void OnViolation(SlotId id, bool severe, bool scored, TimePoint now);
  /// The worker cannot be fed, or has cut itself off: the abort rung.
  void OnForce(SlotId id, Cause cause, TimePoint now);
  /// The command of the worker's generation cannot be run: the pool is held until a reload.
  void OnHold(SlotId id, const std::string& why, TimePoint now);
  /// The line of this delivery did not fully reach the worker.
  void OnUndelivered(SlotId id, std::string_view delivery);
  void OnGone(SlotId id, const Exit& exit, TimePoint now);

  // The queue.
  void OnJobs(std::vector<Job>& jobs, TimePoint now);
  void OnSessionLost();
  /// See Dispatcher::OnAnswered.
  bool OnAnswered(Token token, bool refused) { return dispatcher_.OnAnswered(token, refused); }

  // The operator.
  Generation Reload(std::shared_ptr<const Limits> limits, TimePoint now);
  void Stop(int step, TimePoint now);
  void Scale(int workers, TimePoint now);
  void Pause(bool paused);

  // Time and turns.
  /// Everything that is due.
  void OnTime(TimePoint now);
  /// Hands out jobs, between turns.
  void Dispatch(TimePoint now) { dispatcher_.Dispatch(now); }
  /// At the end of each loop turn: hands out jobs, starts and retires workers.
  void EndTurn(TimePoint now);
  [[nodiscard]] TimePoint NextDeadline() const;
  /// Jobs wanted from the queue beyond those taken.
  [[nodiscard]] std::int64_t Credit() const;
  /// A free worker waits for a job that is not here.
  [[nodiscard]] bool Starving() const { return dispatcher_.Starving(); }

  [[nodiscard]] Outbox& outbox() { return outbox_; }
  [[nodiscard]] Slot& slot(SlotId id) { return workers_.at(id); }
  [[nodiscard]] const Workers& workers() const { return workers_; }
  [[nodiscard]] const Pool& pool() const { return pool_; }
  [[nodiscard]] const Dispatcher& dispatcher() const { return dispatcher_; }
  [[nodiscard]] DaemonPhase phase() const;
  [[nodiscard]] bool paused() const { return paused_; }

 private:
  void OnSlotChange(Slot& slot);
  /// The pool is degraded, and nobody is there to work off what is held.
  [[nodiscard]] bool NobodyServes() const;
  void Rebalance(TimePoint now);

  Outbox outbox_;
  Random random_;
  Workers workers_;
  Dispatcher dispatcher_;
  Pool pool_;
  bool paused_ = false;
  bool unbalanced_ = true;   ///< Balance must run before the turn ends
  bool resubscribe_ = true;  ///< what the workers serve may have changed
  TimePoint pool_deadline_ = kNever;
};

}  // namespace workmand
