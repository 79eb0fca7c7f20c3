#include "daemon/queue/drivers/sqlite_dead.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

namespace workmand::sqlite {
namespace {

constexpr const char* kList =
    "SELECT id, task, attempts, deliveries, failed_at, error, payload FROM dead"
    " ORDER BY failed_at DESC, id DESC LIMIT ?1";
constexpr const char* kFind =
    "SELECT id, task, attempts, deliveries, failed_at, error, payload FROM dead WHERE id = ?1";
// The fence goes on counting: a settlement from a former life must not fit this one.
constexpr const char* kRevive =
    "INSERT OR IGNORE INTO jobs(id, task, state, priority, fence, attempts, deliveries,"
    " max_attempts, waiters, enqueued_at, due_at, unique_key, payload)"
    " SELECT id, task, 0, priority, fence, 0, 0, max_attempts, 0, enqueued_at, ?2, unique_key,"
    " payload FROM dead WHERE id = ?1";
constexpr const char* kDrop = "DELETE FROM dead WHERE id = ?1";
constexpr const char* kSweep = "DELETE FROM dead WHERE failed_at <= ?1";

std::optional<std::int64_t> ParseId(std::string_view text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

DeadLetter ReadLetter(const Query& query) {
  DeadLetter letter;
  letter.id = std::to_string(query.Int(0));
  letter.task = query.Bytes(1);
  letter.attempts = static_cast<int>(query.Int(2));
  letter.deliveries = static_cast<int>(query.Int(3));
  letter.failed_at_ms = query.Int(4);
  letter.error = query.Bytes(5);
  letter.payload = query.Bytes(6);
  return letter;
}

}  // namespace

std::vector<DeadLetter> ListDead(Database& db, std::size_t limit) {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  std::vector<DeadLetter> letters;
  for (Query query(db, kList, static_cast<std::int64_t>(std::min(limit, kMost))); query.Next();) {
    letters.push_back(ReadLetter(query));
  }
  return letters;
}

std::optional<DeadLetter> FindDead(Database& db, std::string_view id) {
  const auto number = ParseId(id);
  if (!number) return std::nullopt;
  Query query(db, kFind, *number);
  if (!query.Next()) return std::nullopt;
  return ReadLetter(query);
}

bool RetryDead(Database& db, std::string_view id, WallTime now) {
  const auto number = ParseId(id);
  if (!number) return false;
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  const bool revived = db.Run(kRevive, *number, now) > 0;
  if (db.Run(kDrop, *number) == 0) return false;
  if (!revived) {
    throw Rejected("job " + std::string(id) +
                   " cannot be retried: another job with its unique key is on the queue");
  }
  transaction.Commit();
  return true;
}

bool DropDead(Database& db, std::string_view id) {
  const auto number = ParseId(id);
  if (!number) return false;
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  const bool dropped = db.Run(kDrop, *number) > 0;
  transaction.Commit();
  return dropped;
}

void SweepDead(Database& db, WallTime now, Duration retention) {
  if (retention <= Duration{0}) return;
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  db.Run(kSweep, now - retention);
  transaction.Commit();
}

}  // namespace workmand::sqlite
