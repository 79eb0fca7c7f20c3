#include "daemon/queue/drivers/sqlite_schema.h"

#include <array>
#include <poll.h>
#include <string>

namespace workmand::sqlite {
namespace {

constexpr const char* kJournalMode = "PRAGMA journal_mode";
constexpr const char* kUserVersion = "PRAGMA user_version";
constexpr const char* kApplication = "PRAGMA application_id";
constexpr const char* kTables = "SELECT count(*) FROM sqlite_master";

// Integers that are 0 or 1 take no bytes in a row, and a row is fetched by changing only such: so
// the payload is not written again when a job is handed out for the first time. `payload` stands
// last because columns behind it would be slow to reach.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT NOT NULL,
  state INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  waiters INTEGER NOT NULL,
  enqueued_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  unique_key TEXT,
  payload BLOB NOT NULL);
CREATE INDEX jobs_ready ON jobs(task, priority DESC) WHERE state = 0;
CREATE INDEX jobs_delayed ON jobs(due_at) WHERE state = 2;
CREATE UNIQUE INDEX jobs_unique ON jobs(task, unique_key) WHERE unique_key IS NOT NULL;

CREATE TABLE held(
  id INTEGER PRIMARY KEY,
  fence INTEGER NOT NULL,
  holder INTEGER NOT NULL,
  lease_until INTEGER NOT NULL);

CREATE TABLE holders(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  host TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  pid_namespace INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  start_time INTEGER NOT NULL,
  since INTEGER NOT NULL,
  UNIQUE(host, boot_id, pid_namespace, pid, start_time));

CREATE TABLE answers(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  waiters INTEGER NOT NULL,
  numerator REAL,
  denominator REAL,
  expires_at INTEGER,
  bytes BLOB NOT NULL);
CREATE INDEX answers_job ON answers(job);
CREATE INDEX answers_expiry ON answers(expires_at);

CREATE TABLE dead(
  id INTEGER PRIMARY KEY,
  task TEXT NOT NULL,
  priority INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  enqueued_at INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  unique_key TEXT,
  error TEXT NOT NULL,
  payload BLOB NOT NULL);
CREATE INDEX dead_failed ON dead(failed_at);

CREATE VIEW queue AS
  SELECT jobs.id, task,
    CASE state WHEN 0 THEN 'ready' WHEN 1 THEN 'held' ELSE 'delayed' END AS state,
    CASE priority WHEN 0 THEN 'low' WHEN 1 THEN 'normal' ELSE 'high' END AS priority,
    attempts, deliveries,
    datetime(enqueued_at / 1000, 'unixepoch') AS enqueued,
    CASE state WHEN 2 THEN datetime(due_at / 1000, 'unixepoch') END AS due,
    host, pid,
    datetime(lease_until / 1000, 'unixepoch') AS lease_until,
    unique_key, CAST(payload AS TEXT) AS payload
  FROM jobs LEFT JOIN held ON held.id = jobs.id LEFT JOIN holders ON holders.id = held.holder;
)sql";

/// Step i brings a file from version i to version i + 1.
constexpr std::array<const char*, kSchemaVersion> kSteps{kVersion1};

std::int64_t Number(Database& db, const char* sql) {
  Query query(db, sql);
  return query.Next() ? query.Int(0) : 0;
}

[[noreturn]] void Refuse(const Database& db, const std::string& sentence) {
  throw ConnectionLost("sqlite: " + db.path() + ": " + sentence);
}

bool IsWal(Database& db) {
  Query query(db, kJournalMode);
  return query.Next() && query.Bytes(0) == "wal";
}

/// The change needs the file for itself for a moment, and SQLite does not always wait for that.
void SwitchToWal(Database& db) {
  constexpr int kTries = 100;
  constexpr Duration kPause{20};
  for (int i = 1;; ++i) {
    try {
      db.Execute("PRAGMA journal_mode=WAL");
      break;
    } catch (const Busy&) {
      if (i == kTries) throw;
      poll(nullptr, 0, static_cast<int>(kPause.count()));
    }
  }
  if (!IsWal(db)) {
    Refuse(db,
           "the file system does not let processes share memory (is it a network file "
           "system?); the queue needs a local disk");
  }
}

/// The version of the file, once it is known to be ours or empty.
int CheckedVersion(Database& db) {
  const auto version = static_cast<int>(Number(db, kUserVersion));
  if (version == kSchemaVersion && Number(db, kApplication) == kApplicationId) return version;
  if (version == 0 ? Number(db, kTables) != 0 : Number(db, kApplication) != kApplicationId) {
    Refuse(db, "the file is the database of another program");
  }
  if (version > kSchemaVersion) {
    Refuse(db, "the file has schema version " + std::to_string(version) +
                   ", this program knows versions up to " + std::to_string(kSchemaVersion) +
                   "; use the newer workman that wrote it");
  }
  return version;
}

}  // namespace

void EnsureSchema(Database& db) {
  if (CheckedVersion(db) == kSchemaVersion && IsWal(db)) return;
  if (!IsWal(db)) SwitchToWal(db);
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  for (int version = CheckedVersion(db); version < kSchemaVersion; ++version) {
    db.Execute(kSteps[static_cast<std::size_t>(version)]);
  }
  db.Execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion) +
              "; PRAGMA application_id=" + std::to_string(kApplicationId))
                 .c_str());
  transaction.Commit();
}

}  // namespace workmand::sqlite
