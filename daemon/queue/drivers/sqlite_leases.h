// Who holds jobs, and when a hold ends without a settlement: the lease is over, or the process that
// held is dead and was on this machine. Driven by the consumer instance inside its transactions.
// Ends of this kind are deliveries only, never attempts.
#pragma once

#include <cstdint>

#include "daemon/queue/drivers/process_identity.h"
#include "daemon/queue/drivers/sqlite_db.h"

namespace workmand::sqlite {

using workmand::IsDead;
using workmand::Process;
using workmand::ThisProcess;

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
