// What a broker does not keep, for every driver in one place: a Queue around a Queue that counts
// attempts and deliveries over the death of the daemon where the driver cannot (no
// Cap::kAttempts), and keeps dead letters where it has none (no Cap::kDeadLetter). Both stand in
// `state_dir`, so they hold for one daemon on one machine. docs/queues/gearman.md tells more.
//
// It costs the path of an ordinary job two stores into memory: the disk is written when a job ends
// badly. Trouble with the disk stops no job; it is logged.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

namespace workmand {

struct LedgerOptions {
  /// Of the files, which get ".ledger.db" and ".held" behind it; their folder may be missing.
  std::string path;
  Duration retention{0};  ///< of dead letters; 0 = until somebody removes them
  /// A consumer counts. A producer only reads and changes dead letters, and makes no file.
  bool counts = true;
  std::string boot;  ///< names this run of the machine
  std::function<std::chrono::sys_time<Duration>()> clock;
};

/// `inner` itself when it can do all that. The result has Cap::kDeadLetter, but not Cap::kAttempts:
/// what it counts is known to this daemon alone. A dead letter that is retried becomes a new job
/// with a new id.
[[nodiscard]] std::unique_ptr<Queue> WithLedger(std::unique_ptr<Queue> inner,
                                                LedgerOptions options);

}  // namespace workmand
