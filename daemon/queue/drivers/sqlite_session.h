// An SQLite file as a Session (sql_session.h), for queues whose tables belong to somebody else: it
// changes no setting of the file. Nothing is under way between Send and Receive: the work is done
// in Send.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/queue/drivers/sql_session.h"

struct sqlite3;
struct sqlite3_stmt;

namespace workmand::sql {

struct SqliteCloser {
  void operator()(sqlite3* connection) const;
};

class SqliteSession final : public Session {
 public:
  /// Opens a file that must be there.
  explicit SqliteSession(std::string path);
  ~SqliteSession() override = default;
  SqliteSession(const SqliteSession&) = delete;
  SqliteSession& operator=(const SqliteSession&) = delete;

  void Send(std::span<const Statement> statements, Frame frame) override;
  bool Await(Duration /*timeout*/, const Waker& /*waker*/) override { return true; }
  std::vector<Rows> Receive() override { return std::move(answer_); }
  void Rollback() override;
  News WaitForNews(Duration timeout, const Waker& waker) override;
  void Execute(const std::string& script) override;

 private:
  Rows RunStatement(const Statement& statement);
  void Bind(sqlite3_stmt* statement, const std::vector<Value>& values);
  void ReadRow(sqlite3_stmt* statement, Rows& rows) const;
  [[noreturn]] void Throw(int code);

  std::string path_;
  std::unique_ptr<sqlite3, SqliteCloser> connection_;
  std::vector<Rows> answer_;
};

}  // namespace workmand::sql
