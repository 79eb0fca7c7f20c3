// Jobs on their way in, and how many wait. The functions read and write the table `jobs` within a
// transaction of the caller; they keep nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sqlite_db.h"

namespace workmand::sqlite {

/// A sentence when the job can never be put; else empty.
[[nodiscard]] std::string_view WhyRefused(const Enqueue& job);

/// Puts the job, or finds the one with the same task and unique key that is not settled yet, and
/// returns its id. Throws Rejected for a job that is over SQLite's limits; the transaction is
/// fine then.
std::int64_t InsertJob(Database& db, const Enqueue& job, WallTime now);
/// One more instance waits for the result of job `id`.
void AddWaiter(Database& db, std::int64_t id);

/// Jobs that wait, delayed ones included; "" = of all tasks.
[[nodiscard]] std::uint64_t CountWaiting(Database& db, std::string_view task);
/// When the oldest job was put that is ready to run.
[[nodiscard]] std::optional<WallTime> OldestReady(Database& db);

}  // namespace workmand::sqlite
