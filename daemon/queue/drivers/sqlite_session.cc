#include "daemon/queue/drivers/sqlite_session.h"

#include <utility>

#include <sqlite3.h>

namespace workmand::sql {
namespace {

constexpr int kBusyMs = 10'000;

struct Finalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

}  // namespace

void SqliteCloser::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

SqliteSession::SqliteSession(std::string path) : path_(std::move(path)) {
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(path_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(opened);
  if (opened == nullptr) throw ConnectionLost("sqlite: " + path_ + ": out of memory");
  if (code != SQLITE_OK) Throw(code);
  sqlite3_busy_timeout(opened, kBusyMs);
}

void SqliteSession::Throw(int code) {
  const std::string sentence = "sqlite: " + path_ + ": " + sqlite3_errmsg(connection_.get());
  if (sqlite3_get_autocommit(connection_.get()) == 0) {
    sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: throw Conflict(sentence);
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG: throw Refused(sentence);
    default: throw ConnectionLost(sentence);
  }
}

void SqliteSession::Bind(sqlite3_stmt* statement, const std::vector<Value>& values) {
  struct Visitor {
    sqlite3_stmt* statement;
    int index;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, index); }
    int operator()(std::int64_t number) const {
      return sqlite3_bind_int64(statement, index, number);
    }
    int operator()(double number) const { return sqlite3_bind_double(statement, index, number); }
    // A null pointer for its life: the values outlive the run.
    int operator()(std::string_view text) const {
      const char* data = text.empty() ? "" : text.data();
      return sqlite3_bind_text64(statement, index, data, text.size(), nullptr, SQLITE_UTF8);
    }
    int operator()(const std::string& text) const { return (*this)(std::string_view(text)); }
    int operator()(const Blob& blob) const {
      const char* data = blob.bytes.empty() ? "" : blob.bytes.data();
      return sqlite3_bind_blob64(statement, index, data, blob.bytes.size(), nullptr);
    }
  };
  int index = 0;
  for (const Value& value : values) {
    const int code = std::visit(Visitor{statement, ++index}, value);
    if (code != SQLITE_OK) Throw(code);
  }
}

void SqliteSession::ReadRow(sqlite3_stmt* statement, Rows& rows) const {
  rows.columns = static_cast<std::size_t>(sqlite3_column_count(statement));
  for (int column = 0; column < sqlite3_column_count(statement); ++column) {
    if (sqlite3_column_type(statement, column) == SQLITE_NULL) {
      rows.cells.emplace_back();
      continue;
    }
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    rows.cells.emplace_back(rows.decoded.emplace_back(data == nullptr ? "" : data, size));
  }
}

Rows SqliteSession::RunStatement(const Statement& statement) {
  sqlite3_stmt* prepared = nullptr;
  const int code =
      sqlite3_prepare_v2(connection_.get(), statement.sql.c_str(), -1, &prepared, nullptr);
  const std::unique_ptr<sqlite3_stmt, Finalizer> owner(prepared);
  if (code != SQLITE_OK) Throw(code);
  Bind(prepared, statement.values);
  Rows rows;
  for (;;) {
    const int step = sqlite3_step(prepared);
    if (step == SQLITE_DONE) break;
    if (step != SQLITE_ROW) {
      sqlite3_reset(prepared);
      Throw(step);
    }
    ReadRow(prepared, rows);
  }
  rows.changed = sqlite3_changes64(connection_.get());
  rows.last_id = sqlite3_last_insert_rowid(connection_.get());
  return rows;
}

void SqliteSession::Send(std::span<const Statement> statements, Frame frame) {
  answer_.clear();
  const bool framed = statements.size() > 1 || frame != Frame::kWhole;
  if (framed && (frame == Frame::kBegin || frame == Frame::kWhole)) Execute("BEGIN IMMEDIATE");
  for (const Statement& statement : statements) answer_.push_back(RunStatement(statement));
  if (framed && (frame == Frame::kCommit || frame == Frame::kWhole)) Execute("COMMIT");
}

void SqliteSession::Rollback() {
  if (sqlite3_get_autocommit(connection_.get()) == 0) Execute("ROLLBACK");
}

void SqliteSession::Execute(const std::string& script) {
  const int code = sqlite3_exec(connection_.get(), script.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) Throw(code);
}

Session::News SqliteSession::WaitForNews(Duration timeout, const Waker& waker) {
  return waker.Wait(-1, 0, timeout) == Waker::Why::kWoken ? News::kWoken : News::kNone;
}

}  // namespace workmand::sql
