// What an instance of an SQL driver does when it connects: sees to it that the tables are there and
// are ours, frees what dead processes of this machine hold, and says who it is.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "daemon/queue/drivers/sql_jobs.h"
#include "daemon/queue/drivers/sql_session.h"

namespace workmand::sql {

/// Makes the tables when they are missing; safe against others that do the same at the same time.
/// Throws ConnectionLost with a sentence for the operator when they cannot be used.
void EnsureTables(Session& session, const JobSql& sql, const std::string& driver);

/// Gives back what dead processes of this host hold, and forgets these; returns how many jobs.
std::int64_t FreeDeadHolders(Session& session, const JobSql& sql);

/// The row of this instance: `holder` if that is still there, else a new one.
[[nodiscard]] std::int64_t RegisterHolder(Session& session, const JobSql& sql, std::int64_t holder);

}  // namespace workmand::sql
