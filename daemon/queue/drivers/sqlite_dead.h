// Dead letters: jobs that failed for good, with the last error as the worker gave it. Used by the
// driver (Queue::DeadLetters, RetryDead, DropDead) and by whoever opens the file himself. Each
// function is a transaction of its own.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/queue/drivers/sqlite_db.h"
#include "daemon/queue/queue.h"

namespace workmand::sqlite {

/// Up to `limit`, the newest first.
[[nodiscard]] std::vector<DeadLetter> ListDead(Database& db, std::size_t limit);
[[nodiscard]] std::optional<DeadLetter> FindDead(Database& db, std::string_view id);
/// Puts it back as if new: same id, no attempts. False = no such id. Throws Rejected when another
/// job has its unique key by now.
bool RetryDead(Database& db, std::string_view id, WallTime now);
/// False = no such id.
bool DropDead(Database& db, std::string_view id);
/// Drops what failed longer than `retention` ago; 0 = nothing.
void SweepDead(Database& db, WallTime now, Duration retention);

}  // namespace workmand::sqlite
