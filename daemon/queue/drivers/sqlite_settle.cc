#include "daemon/queue/drivers/sqlite_settle.h"

#include <optional>
#include <string_view>

#include "daemon/queue/drivers/sqlite_fetch.h"
#include "daemon/queue/drivers/sqlite_jobs.h"
#include "daemon/queue/drivers/sqlite_schema.h"

namespace workmand::sqlite {
namespace {

constexpr const char* kSavepoint = "SAVEPOINT one";
constexpr const char* kUndo = "ROLLBACK TO one";
constexpr const char* kKeep = "RELEASE one";
constexpr const char* kRelease = "DELETE FROM held WHERE id = ?1 AND fence = ?2";
constexpr const char* kExtend = "UPDATE held SET lease_until = ?3 WHERE id = ?1 AND fence = ?2";
constexpr const char* kIsHeld = "SELECT 1 FROM held WHERE id = ?1 AND fence = ?2";
constexpr const char* kDeleteUnwatched = "DELETE FROM jobs WHERE id = ?1 AND waiters = 0";
constexpr const char* kDelete = "DELETE FROM jobs WHERE id = ?1";
constexpr const char* kBack =
    "UPDATE jobs SET state = ?2, due_at = ?3, attempts = attempts + ?4,"
    " deliveries = deliveries - ?5 WHERE id = ?1";
constexpr const char* kBury =
    "INSERT OR REPLACE INTO dead(id, task, priority, fence, attempts, deliveries, max_attempts,"
    " enqueued_at, failed_at, unique_key, error, payload)"
    " SELECT id, task, priority, fence, attempts + 1, deliveries, max_attempts, enqueued_at, ?2,"
    " unique_key, ?3, payload FROM jobs WHERE id = ?1";
constexpr const char* kAnswer =
    "INSERT INTO answers(job, kind, waiters, expires_at, bytes)"
    " SELECT id, ?2, waiters, ?3, ?4 FROM jobs WHERE id = ?1 AND waiters > 0";
constexpr const char* kNote =
    "INSERT INTO answers(job, kind, waiters, expires_at, bytes, numerator, denominator)"
    " SELECT id, ?2, waiters, ?3, ?4, ?5, ?6 FROM jobs WHERE id = ?1 AND waiters > 0";

/// From here on a value may be over the limits of SQLite, and must be undone alone.
constexpr std::size_t kLarge = std::size_t{1} << 20U;

std::optional<WallTime> Expiry(const SettleTimes& times) {
  if (times.result_ttl == Duration{0}) return std::nullopt;
  return Later(times.now, times.result_ttl);
}

void Answer(Database& db, std::int64_t id, AnswerKind kind, const Update& update,
            const SettleTimes& times) {
  db.Run(kAnswer, id, static_cast<int>(kind), Expiry(times), Blob{update.bytes});
}

void Note(Database& db, std::int64_t id, AnswerKind kind, const Update& update,
          const SettleTimes& times) {
  db.Run(kNote, id, static_cast<int>(kind), Expiry(times), Blob{update.bytes}, update.numerator,
         update.denominator);
}

void PutBack(Database& db, std::int64_t id, const Update& update, WallTime now) {
  const bool failed = update.kind == Update::Kind::kFail;
  const bool uncounted = update.kind == Update::Kind::kAbort && update.never_ran;
  const JobState state = update.delay > Duration{0} ? JobState::kDelayed : JobState::kReady;
  db.Run(kBack, id, static_cast<int>(state), Later(now, update.delay), failed ? 1 : 0,
         uncounted ? 1 : 0);
}

/// The token is good: `hold` names a job of ours.
void Perform(Database& db, const Update& update, std::int64_t id, const SettleTimes& times) {
  switch (update.kind) {
    case Update::Kind::kDone:
      if (db.Run(kDeleteUnwatched, id) > 0) break;
      Answer(db, id, AnswerKind::kDone, update, times);
      db.Run(kDelete, id);
      break;
    case Update::Kind::kFail:
      if (update.retry) {
        PutBack(db, id, update, times.now);
        break;
      }
      db.Run(kBury, id, times.now, update.bytes);
      Answer(db, id, AnswerKind::kFailed, update, times);
      db.Run(kDelete, id);
      break;
    case Update::Kind::kAbort: PutBack(db, id, update, times.now); break;
    case Update::Kind::kProgress: Note(db, id, AnswerKind::kProgress, update, times); break;
    case Update::Kind::kData: Note(db, id, AnswerKind::kData, update, times); break;
    case Update::Kind::kExtend: break;
  }
}

bool TakeHold(Database& db, const Update& update, WallTime now) {
  const Hold hold = HoldOf(update.token);
  if (IsSettlement(update.kind)) return db.Run(kRelease, hold.id, hold.fence) > 0;
  if (update.kind == Update::Kind::kExtend) {
    return db.Run(kExtend, hold.id, hold.fence, Later(now, update.delay)) > 0;
  }
  return Query(db, kIsHeld, hold.id, hold.fence).Next();
}

/// The follow-ups come after the settlement: a job may put its own successor under the same unique
/// key.
Applied SettlePlainly(Database& db, const Update& update, const SettleTimes& times) {
  if (!TakeHold(db, update, times.now)) return Applied::kLost;
  Perform(db, update, HoldOf(update.token).id, times);
  for (const Enqueue& job : update.enqueue) InsertJob(db, job, times.now);
  return Applied::kOk;
}

}  // namespace

bool IsRelaxed(const Update& update) {
  return !IsSettlement(update.kind) && update.enqueue.empty();
}

Applied Settle(Database& db, const Update& update, const SettleTimes& times) {
  if (update.enqueue.empty() && update.bytes.size() < kLarge) {
    return SettlePlainly(db, update, times);
  }
  db.Run(kSavepoint);
  Applied answer = Applied::kRefused;
  try {
    bool refused = false;
    for (const Enqueue& job : update.enqueue) refused = refused || !WhyRefused(job).empty();
    if (!refused) answer = SettlePlainly(db, update, times);
  } catch (const Rejected&) {
    db.Run(kUndo);
  }
  db.Run(kKeep);
  return answer;
}

}  // namespace workmand::sqlite
