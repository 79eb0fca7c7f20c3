// Applies one update to a job that was handed out: the end of the hold, what becomes of the job,
// the answer for those who wait, and the follow-up jobs, all within the caller's transaction.
#pragma once

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sqlite_db.h"

namespace workmand::sqlite {

struct SettleTimes {
  WallTime now;
  Duration result_ttl{0};  ///< 0 = answers are kept until they are collected
};

/// Whether a crash of the machine may undo `update` without harm: it renews or tells, and settles
/// nothing.
[[nodiscard]] bool IsRelaxed(const Update& update);

/// kLost for a token that is no longer good, kRefused when a follow-up was refused or the bytes are
/// over SQLite's limits; both leave the file as it was.
[[nodiscard]] Applied Settle(Database& db, const Update& update, const SettleTimes& times);

}  // namespace workmand::sqlite
