#include "daemon/queue/ledger_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>

namespace workmand {
namespace {

using sqlite::Blob;
using sqlite::Query;
using sqlite::Transaction;

constexpr int kVersion = 1;
constexpr int kApplicationId = 0x574d4c44;  // "WMLD"
constexpr Duration kCountsKept = std::chrono::hours(24 * 7);

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS counts(
  key BLOB PRIMARY KEY,
  attempts INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  job TEXT NOT NULL,
  task TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  task TEXT NOT NULL,
  unique_key TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  error TEXT NOT NULL,
  payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS dead_failed ON dead(failed_at);
PRAGMA application_id=1464683588;
PRAGMA user_version=1;
)sql";
static_assert(kApplicationId == 1'464'683'588 && kVersion == 1, "the schema states them, too");

constexpr const char* kUserVersion = "PRAGMA user_version";
constexpr const char* kApplication = "PRAGMA application_id";
constexpr const char* kTables = "SELECT count(*) FROM sqlite_master";
constexpr const char* kReadCounts = "SELECT key, attempts, deliveries FROM counts";
constexpr const char* kWriteCounts =
    "INSERT INTO counts(key, attempts, deliveries, updated_at, job, task)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(key) DO UPDATE SET attempts = ?2,"
    " deliveries = ?3, updated_at = ?4, job = coalesce(nullif(?5, ''), job),"
    " task = coalesce(nullif(?6, ''), task)";
constexpr const char* kDropCounts = "DELETE FROM counts WHERE key = ?1";
constexpr const char* kBury =
    "INSERT OR IGNORE INTO dead(id, task, unique_key, attempts, deliveries, failed_at, error,"
    " payload) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
constexpr const char* kListDead =
    "SELECT id, task, attempts, deliveries, failed_at, error, payload FROM dead"
    " ORDER BY failed_at DESC, seq DESC LIMIT ?1";
constexpr const char* kFindDead = "SELECT task, unique_key, payload FROM dead WHERE id = ?1";
constexpr const char* kDropDead = "DELETE FROM dead WHERE id = ?1";
constexpr const char* kSweepDead = "DELETE FROM dead WHERE failed_at <= ?1";
constexpr const char* kSweepCounts = "DELETE FROM counts WHERE updated_at <= ?1";

using KeyBytes = std::array<char, sizeof(LedgerKey)>;

KeyBytes ToBytes(const LedgerKey& key) {
  KeyBytes bytes{};
  std::memcpy(bytes.data(), &key, sizeof(key));
  return bytes;
}

Blob ToBlob(const KeyBytes& bytes) {
  return {{bytes.data(), bytes.size()}};
}

std::int64_t Number(sqlite::Database& db, const char* sql) {
  Query query(db, sql);
  return query.Next() ? query.Int(0) : 0;
}

const std::string& WithFolder(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error)
    throw ConnectionLost("cannot make the folder " + folder.string() + ": " + error.message());
  return path;
}

sqlite::DatabaseOptions OptionsOf(const std::string& path) {
  sqlite::DatabaseOptions options;
  options.path = WithFolder(path);
  options.busy_timeout = Duration{2'000};
  return options;
}

}  // namespace

LedgerFile::LedgerFile(const std::string& path) : db_(OptionsOf(path)) {
  const std::int64_t version = Number(db_, kUserVersion);
  if (version == kVersion && Number(db_, kApplication) == kApplicationId) return;
  if (version > kVersion || Number(db_, kTables) != 0) {
    throw ConnectionLost(path + ": is not a ledger of this version (" + std::to_string(version) +
                         ", this program knows " + std::to_string(kVersion) + ")");
  }
  db_.Execute("PRAGMA journal_mode=WAL");
  Transaction transaction(db_, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  db_.Execute(kSchema);
  transaction.Commit();
}

std::unordered_map<LedgerKey, LedgerCounts> LedgerFile::ReadCounts() {
  std::unordered_map<LedgerKey, LedgerCounts> all;
  for (Query query(db_, kReadCounts); query.Next();) {
    const std::string_view bytes = query.Bytes(0);
    LedgerKey key;
    if (bytes.size() != sizeof(key)) continue;
    std::memcpy(&key, bytes.data(), sizeof(key));
    all[key] = {static_cast<int>(query.Int(1)), static_cast<int>(query.Int(2))};
  }
  return all;
}

void LedgerFile::WriteCounts(const std::vector<CountsEntry>& entries, sqlite::WallTime now) {
  if (entries.empty()) return;
  Transaction transaction(db_, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  for (const CountsEntry& entry : entries) {
    const KeyBytes key = ToBytes(entry.key);
    db_.Run(kWriteCounts, ToBlob(key), entry.counts.attempts, entry.counts.deliveries, now,
            entry.job, entry.task);
  }
  transaction.Commit();
}

/// Not synced: a row that comes back after a crash of the machine is swept in time.
void LedgerFile::DropCounts(const std::vector<LedgerKey>& keys) {
  if (keys.empty()) return;
  Transaction transaction(db_, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  for (const LedgerKey& one : keys) {
    const KeyBytes key = ToBytes(one);
    db_.Run(kDropCounts, ToBlob(key));
  }
  transaction.Commit();
}

std::string LedgerFile::Bury(const Job& job, std::string_view error, sqlite::WallTime now) {
  Transaction transaction(db_, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  std::string id = job.id;
  for (int number = 2; db_.Run(kBury, id, job.task, job.unique, job.attempt, job.deliveries, now,
                               error, Blob{job.payload}) == 0;
       ++number) {
    id = job.id + "#" + std::to_string(number);
  }
  transaction.Commit();
  return id;
}

std::vector<DeadLetter> LedgerFile::ListDead(std::size_t limit) {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  std::vector<DeadLetter> letters;
  for (Query query(db_, kListDead, static_cast<std::int64_t>(std::min(limit, kMost)));
       query.Next();) {
    DeadLetter& letter = letters.emplace_back();
    letter.id = query.Bytes(0);
    letter.task = query.Bytes(1);
    letter.attempts = static_cast<int>(query.Int(2));
    letter.deliveries = static_cast<int>(query.Int(3));
    letter.failed_at_ms = query.Int(4);
    letter.error = query.Bytes(5);
    letter.payload = query.Bytes(6);
  }
  return letters;
}

std::optional<Enqueue> LedgerFile::FindDead(std::string_view id) {
  Query query(db_, kFindDead, id);
  if (!query.Next()) return std::nullopt;
  Enqueue job;
  job.task = query.Bytes(0);
  job.unique = query.Bytes(1);
  job.payload = query.Bytes(2);
  return job;
}

bool LedgerFile::DropDead(std::string_view id) {
  Transaction transaction(db_, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  const bool dropped = db_.Run(kDropDead, id) > 0;
  transaction.Commit();
  return dropped;
}

void LedgerFile::Sweep(sqlite::WallTime now, Duration retention) {
  Transaction transaction(db_, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  db_.Run(kSweepCounts, now - kCountsKept);
  if (retention > Duration{0}) db_.Run(kSweepDead, now - retention);
  transaction.Commit();
}

}  // namespace workmand
