// What core asks the supervisor to do. Values in the order in which they must be carried out.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/job.h"
#include "daemon/base/time.h"
#include "daemon/core/slot.h"
#include "daemon/core/types.h"

namespace workmand::action {

/// Start a worker process in the slot.
struct Spawn {
  SlotId slot;
};
/// Write the job. `delivery` is valid until the next call into core.
struct SendJob {
  SlotId slot;
  const Delivery* delivery;
};
/// Write the shutdown message; `grace` = time left until the abort rung (kInfinite = none).
struct SendNotice {
  SlotId slot;
  StopReason reason;
  Duration grace;
};
struct SendCancel {
  SlotId slot;
  DeliveryId delivery;
  CancelReason reason;
};
struct CloseStdin {
  SlotId slot;
};
struct SendSignal {
  SlotId slot;
  Rung rung;
  Cause cause;
};
/// For the log and the counters: a job did not end well, or was given back.
struct JobEnded {
  SlotId slot;
  std::string job;
  std::string task;
  int attempt;
  Outcome outcome;
  enum class Next : std::uint8_t { kGone, kRetry, kBack, kDead };
  Next next;
  Duration delay;
  Duration limit;  ///< of a time-out
  std::string why;
};
/// A job passed slow_job_threshold or soft_time_limit.
struct JobSlow {
  SlotId slot;
  std::string job;
  std::string task;
  Duration running;
  bool soft_limit;
};
/// The worker in the slot has ended. `failure` > 0: it counts as the n-th start failure in a row.
struct WorkerEnded {
  SlotId slot;
  std::string how;
  int failure;
};
struct WorkerStopping {
  SlotId slot;
  StopReason reason;
  State state;
};
/// Which tasks to fetch now. `any`: every task.
struct Subscribe {
  bool any;
  std::vector<std::string> tasks;
};
/// Something about the pool as a whole.
struct PoolEvent {
  enum class Kind : std::uint8_t {
    kServing,  ///< the first worker is ready
    kDegraded,
    kRecovered,
    kReloadCommitted,
    kReloadDone,  ///< `number` old workers still drain
    kReloadRolledBack,
    kReloadSuperseded,
    kUnkillable,  ///< slot `number` survives SIGKILL
    kStopped,     ///< nothing is left: the daemon may end
  };
  Kind kind;
  Generation generation;
  int number = 0;
  std::string why;
};

}  // namespace workmand::action

namespace workmand {

using Action =
    std::variant<action::Spawn, action::SendJob, action::SendNotice, action::SendCancel,
                 action::CloseStdin, action::SendSignal, action::JobEnded, action::JobSlow,
                 action::WorkerEnded, action::WorkerStopping, action::Subscribe, action::PoolEvent>;

/// The outbox of core: the supervisor empties it after every call.
struct Outbox {
  std::vector<Action> actions;
  std::vector<Update> updates;  ///< settlements for the pump, in order
  bool urgent = false;          ///< somebody waits for one of the updates
};

}  // namespace workmand
