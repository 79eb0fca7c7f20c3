// A connection to MariaDB or MySQL by libmariadb: the statements of a round trip travel as one text
// with their values written in. See sql_session.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/queue/drivers/sql_session.h"

struct st_mysql;

namespace workmand::sql {

struct MyServer {
  std::string host;    ///< empty: the socket
  std::string socket;  ///< a path; empty: the client library's own
  std::string user;
  std::string password;
  std::string database;
  std::uint16_t port = 3306;
};

/// The server, or the account, has as many connections as it may have.
struct Crowded : ConnectionLost {
  using ConnectionLost::ConnectionLost;
};

struct MyDeleter {
  void operator()(st_mysql* connection) const;
};

class MySession final : public Session {
 public:
  /// Connects; blocks for kConnectTimeout at most. Throws ConnectionLost.
  explicit MySession(const MyServer& server);
  ~MySession() override = default;
  MySession(const MySession&) = delete;
  MySession& operator=(const MySession&) = delete;

  void Send(std::span<const Statement> statements, Frame frame) override;
  bool Await(Duration timeout, const Waker& waker) override;
  std::vector<Rows> Receive() override;
  void Rollback() override;
  News WaitForNews(Duration timeout, const Waker& waker) override;
  void Execute(const std::string& script) override;
  /// For whoever waits for several at once: readable = the answer begins to come.
  [[nodiscard]] int fd() const;

 private:
  [[noreturn]] void Throw();
  void Append(std::string& text, const Statement& statement);
  void AppendValue(std::string& text, const Value& value);
  void AppendQuoted(std::string& text, std::string_view bytes);
  Rows Take();
  void Drain() noexcept;

  std::unique_ptr<st_mysql, MyDeleter> connection_;
  std::string text_;            ///< of the present round trip; kept for its memory
  std::size_t statements_ = 0;  ///< of the present round trip
  std::size_t before_ = 0;      ///< frame statements in front of them
  std::size_t after_ = 0;       ///< and behind
  std::size_t max_packet_ = 0;  ///< bytes that the server takes in one go
};

}  // namespace workmand::sql
