// Who holds jobs, and when a hold ends without a settlement: the lease is over, or the process that
// held is dead and was on this machine. Driven by the consumer instance inside its transactions.
// Ends of this kind are deliveries only, never attempts.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/queue/drivers/sqlite_db.h"

namespace workmand::sqlite {

/// Enough of a process to tell later whether it still lives.
struct Process {
  std::string host;
  std::string boot_id;             ///< of the kernel: another one = the machine was restarted
  std::int64_t pid_namespace = 0;  ///< pids mean something only within it
  std::int64_t pid = 0;
  std::int64_t start_time = 0;  ///< clock ticks after boot: tells a reused pid
  friend bool operator==(const Process&, const Process&) = default;
};

[[nodiscard]] Process ThisProcess();
/// Whether `process` surely does not run any more, as seen by `here`. A process of another host or
/// in another pid namespace cannot be judged: it counts as alive, and its lease decides.
[[nodiscard]] bool IsDead(const Process& process, const Process& here);

/// The row of `process` in `holders`; made when missing.
[[nodiscard]] std::int64_t RegisterHolder(Database& db, const Process& process, WallTime now);
/// Gives back what dead processes of this host hold; returns how many jobs. A transaction of its
/// own, and none when there is nothing to do.
std::int64_t FreeDeadHolders(Database& db, const Process& here);
/// Gives back the jobs whose lease is over. Within a transaction.
std::int64_t FreeExpired(Database& db, WallTime now);
/// Forgets processes that hold nothing and are dead, or of other hosts and silent for a day.
void SweepHolders(Database& db, const Process& here, WallTime now);

}  // namespace workmand::sqlite
