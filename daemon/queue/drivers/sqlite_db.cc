#include "daemon/queue/drivers/sqlite_db.h"

#include <algorithm>
#include <array>
#include <poll.h>
#include <utility>

#include <sqlite3.h>

namespace workmand::sqlite {
namespace {

constexpr const char* kBeginRead = "BEGIN";
constexpr const char* kBeginWrite = "BEGIN IMMEDIATE";
constexpr const char* kCommit = "COMMIT";
constexpr const char* kRollback = "ROLLBACK";
constexpr const char* kDataVersion = "PRAGMA data_version";

/// SQLite keeps the pointer of a bound value: a Query lets it live for longer than the run.
const auto kBorrowed = static_cast<sqlite3_destructor_type>(nullptr);

/// How long to sleep before the n-th look at a lock that somebody else has.
constexpr std::array<Duration, 8> kBusySteps{Duration{1}, Duration{1},  Duration{2},  Duration{4},
                                             Duration{8}, Duration{15}, Duration{25}, Duration{40}};

}  // namespace

WallTime Later(WallTime from, Duration length) {
  constexpr Duration kFar = std::chrono::hours(24 * 365 * 100);
  return from + std::clamp(length, Duration{0}, kFar);
}

void Database::StatementDeleter::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Database::ConnectionDeleter::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

Database::Database(DatabaseOptions options)
    : options_(std::move(options)), durable_(options_.full_sync) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(
      options_.path.c_str(), &opened,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  connection_.reset(opened);
  if (opened == nullptr) throw ConnectionLost("sqlite: " + options_.path + ": out of memory");
  Check(code);
  sqlite3_busy_handler(opened, &Database::OnBusy, this);
  if (options_.max_row > 0) sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, options_.max_row);
  // Payloads are gone from the file when their page is used again, as in any file system. Writing
  // zeros over them (Debian's default) would double the pages that each commit touches.
  Execute("PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8000;");
  Execute(options_.full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

Database::~Database() = default;

int Database::OnBusy(void* self, int count) {
  auto& db = *static_cast<Database*>(self);
  if (count == 0) db.waited_ = Duration{0};
  if (!db.patient_ || db.waited_ >= db.options_.busy_timeout) return 0;
  const auto step = std::min(static_cast<std::size_t>(count), kBusySteps.size() - 1);
  const Duration sleep = kBusySteps[step];
  db.waited_ += sleep;
  if (db.waker_ == nullptr) {
    poll(nullptr, 0, static_cast<int>(sleep.count()));
    return 1;
  }
  return db.waker_->Wait(-1, 0, sleep) == Waker::Why::kWoken ? 0 : 1;
}

sqlite3_stmt* Database::Prepare(const char* sql) {
  auto& slot = statements_[sql];
  if (slot == nullptr) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                             nullptr));
    slot.reset(statement);
  }
  return slot.get();
}

void Database::Execute(const char* script) {
  Check(sqlite3_exec(connection_.get(), script, nullptr, nullptr, nullptr));
}

void Database::SetDurable(bool durable) {
  if (durable == durable_) return;
  Execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  durable_ = durable;
}

std::int64_t Database::LastId() const {
  return sqlite3_last_insert_rowid(connection_.get());
}

std::int64_t Database::DataVersion() {
  Query query(*this, kDataVersion);
  return query.Next() ? query.Int(0) : 0;
}

bool Database::IsBeingWritten() {
  const bool patient = std::exchange(patient_, false);
  bool busy = false;
  try {
    Run(kBeginWrite);
    Run(kRollback);
  } catch (const Busy&) {
    busy = true;
  }
  patient_ = patient;
  return busy;
}

bool Database::Moved() {
  int moved = 0;
  const int code = sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK && moved != 0;
}

void Database::Check(int code) {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) Throw(code);
}

void Database::Throw(int code) {
  const std::string sentence =
      "sqlite: " + options_.path + ": " + sqlite3_errmsg(connection_.get());
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: throw Busy(sentence);
    case SQLITE_TOOBIG: throw Rejected(sentence);
    default: throw ConnectionLost(sentence);
  }
}

Query::~Query() {
  sqlite3_reset(statement_);
}

bool Query::Next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  db_.Throw(code);
}

std::int64_t Query::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Query::Real(int column) const {
  return sqlite3_column_double(statement_, column);
}

bool Query::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string_view Query::Bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}

void Query::Bind(int index, std::int64_t value) {
  db_.Check(sqlite3_bind_int64(statement_, index, value));
}

void Query::Bind(int index, double value) {
  db_.Check(sqlite3_bind_double(statement_, index, value));
}

void Query::Bind(int index, std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.empty() ? "" : text.data();
  db_.Check(sqlite3_bind_text64(statement_, index, data, text.size(), kBorrowed, SQLITE_UTF8));
}

void Query::Bind(int index, const Blob& blob) {
  const char* data = blob.bytes.empty() ? "" : blob.bytes.data();
  db_.Check(sqlite3_bind_blob64(statement_, index, data, blob.bytes.size(), kBorrowed));
}

void Query::Bind(int index, std::nullopt_t /*null*/) {
  db_.Check(sqlite3_bind_null(statement_, index));
}

Transaction::Transaction(Database& db, Lock lock, Sync sync) : db_(db) {
  if (db.options_.full_sync) db.SetDurable(sync == Sync::kDurable);
  db_.Run(lock == Lock::kRead ? kBeginRead : kBeginWrite);
}

Transaction::~Transaction() {
  // After some errors (disk full, I/O) SQLite has rolled back by itself.
  if (!open_ || sqlite3_get_autocommit(db_.connection_.get()) != 0) return;
  try {
    db_.Run(kRollback);
  } catch (const std::exception&) {
    // The error that brought us here is on its way up; the connection ends after it.
  }
}

void Transaction::Commit() {
  db_.Run(kCommit);
  open_ = false;
}

std::int64_t ChangesOf(sqlite3* connection) {
  return sqlite3_changes64(connection);
}

}  // namespace workmand::sqlite
