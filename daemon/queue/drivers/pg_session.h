// A connection to PostgreSQL by libpq in pipeline mode: prepared statements, all of a round trip in
// one transaction, notices of channels. See sql_session.h.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/queue/drivers/sql_session.h"

struct pg_conn;
struct pg_result;

namespace workmand::sql {

struct PgDeleter {
  void operator()(pg_conn* connection) const;
};

class PgSession final : public Session {
 public:
  /// Connects; blocks for kConnectTimeout at most. `url` as libpq reads it. `name` shows in
  /// pg_stat_activity. Throws ConnectionLost, without the url, which holds a password.
  PgSession(const std::string& url, const std::string& name);
  ~PgSession() override = default;
  PgSession(const PgSession&) = delete;
  PgSession& operator=(const PgSession&) = delete;

  void Send(std::span<const Statement> statements, Frame frame) override;
  bool Await(Duration timeout, const Waker& waker) override;
  std::vector<Rows> Receive() override;
  void Rollback() override;
  News WaitForNews(Duration timeout, const Waker& waker) override;
  std::vector<std::pair<std::string, std::string>> TakeNotices() override;
  void Execute(const std::string& script) override;

 private:
  struct Expected {
    enum class Kind { kPrepare, kFrame, kRows } kind = Kind::kRows;
    std::string sql;  ///< kPrepare: what is prepared once this has succeeded
  };

  [[noreturn]] void ThrowLost() const;
  void SendFrame(const char* sql);
  void SendStatement(const Statement& statement);
  void Flush();
  void Consume();
  pg_result* NextResult(TimePoint deadline);
  void NoteNotices();
  void Take(pg_result* result, const Expected& expected, std::vector<Rows>& out);
  void NoteError(const pg_result* result);
  void CheckError();

  std::unique_ptr<pg_conn, PgDeleter> connection_;
  std::unordered_map<std::string, std::string> prepared_;  ///< by text: the name
  std::vector<Expected> expected_;
  std::vector<std::pair<std::string, std::string>> notices_;
  std::string error_state_;  ///< SQLSTATE of the first error of the present answer
  std::string error_text_;
};

}  // namespace workmand::sql
