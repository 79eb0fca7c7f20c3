// The tables of the driver `sqlite`, and how a file comes to have them: made once, migrated by
// version, refused when they are newer than this program or not ours. docs/queues/sqlite.md
// describes them for people.
#pragma once

#include "daemon/queue/drivers/sqlite_db.h"

namespace workmand::sqlite {

/// Stands in `PRAGMA user_version`.
inline constexpr int kSchemaVersion = 1;
/// "Wkmn"; stands in `PRAGMA application_id`.
inline constexpr int kApplicationId = 0x576b6d6e;

/// jobs.state. The partial indexes name these numbers.
enum class JobState : int { kReady = 0, kHeld = 1, kDelayed = 2 };
/// answers.kind.
enum class AnswerKind : int { kDone = 0, kFailed = 1, kProgress = 2, kData = 3 };

/// Sees to it that the file is in WAL mode and has our tables. Costs two reads when it has; else
/// one transaction, safe against another process that does the same at the same time. Throws
/// ConnectionLost with a sentence for the operator when the file cannot be used.
void EnsureSchema(Database& db);

}  // namespace workmand::sqlite
