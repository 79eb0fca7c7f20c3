#include "daemon/queue/drivers/my_session.h"

#include <mutex>
#include <mysql.h>
#include <poll.h>

namespace workmand::sql {
namespace {

// READ COMMITTED: no locks on gaps between rows, which would stand in the way of producers.
constexpr const char* kSettings =
    "SET NAMES utf8mb4; SET SESSION time_zone = '+00:00'; SET SESSION transaction_isolation = "
    "'READ-COMMITTED';"
    " SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES';"
    " SET SESSION innodb_lock_wait_timeout = 5; SET SESSION wait_timeout = 604800";
/// MariaDB before 11, and MySQL before 5.7.20, know the variable by its old name only.
constexpr const char* kOldSettings =
    "SET NAMES utf8mb4; SET SESSION time_zone = '+00:00'; SET SESSION tx_isolation = "
    "'READ-COMMITTED';"
    " SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES';"
    " SET SESSION innodb_lock_wait_timeout = 5; SET SESSION wait_timeout = 604800";

constexpr unsigned kLockWaitTimeout = 1205;
constexpr unsigned kDeadlock = 1213;

/// The server's word that there are too many connections: in all, of the account, of its limit.
bool IsCrowd(unsigned code) {
  return code == 1040 || code == 1203 || code == 1226;
}

/// The server's word that the request is at fault and not the connection.
bool IsRefusal(unsigned code) {
  switch (code) {
    case 1048:  // a column cannot be null
    case 1062:  // duplicate entry
    case 1118:  // row too large
    case 1153:  // packet too large
    case 1264:  // out of range
    case 1301:  // result larger than a packet
    case 1366:  // incorrect string value
    case 1406:  // data too long
    case 3988:  // no such character in the column's set
      return true;
    default: return false;
  }
}

unsigned Seconds(Duration duration) {
  return static_cast<unsigned>(duration / std::chrono::seconds(1));
}

}  // namespace

void MyDeleter::operator()(st_mysql* connection) const {
  mysql_close(connection);
}

MySession::MySession(const MyServer& server) {
  // The first mysql_init would do it, but not safely: two instances may connect at once.
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
  connection_.reset(mysql_init(nullptr));
  st_mysql* db = connection_.get();
  if (db == nullptr) throw ConnectionLost("mysql: out of memory");
  const unsigned connect = Seconds(kConnectTimeout);
  const unsigned answer = Seconds(kAnswerTimeout);
  mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
  mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &answer);
  mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &answer);
  // "localhost" means a socket to the library; whoever names a host means a host.
  const unsigned protocol = server.host.empty() ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(db, MYSQL_OPT_PROTOCOL, &protocol);
  const char* socket = server.socket.empty() ? nullptr : server.socket.c_str();
  const char* host = server.host.empty() ? nullptr : server.host.c_str();
  if (mysql_real_connect(db, host, server.user.c_str(), server.password.c_str(),
                         server.database.c_str(), server.port, socket,
                         CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS) == nullptr) {
    Throw();
  }
  constexpr unsigned long kRenamed = 50'720;
  const bool maria = mysql_get_server_info(db) != nullptr && mariadb_connection(db) != 0;
  const bool old = maria || mysql_get_server_version(db) < kRenamed;
  Execute(old ? kOldSettings : kSettings);
  // The library escapes by the server's rules, which it learns from the answers.
  const Rows limit = RunOne({"SELECT @@max_allowed_packet", {}});
  max_packet_ = static_cast<std::size_t>(limit.Int(0, 0));
}

void MySession::Throw() {
  const unsigned code = mysql_errno(connection_.get());
  const std::string sentence = std::string("mysql: ") + mysql_error(connection_.get());
  Drain();
  if (code == kDeadlock || code == kLockWaitTimeout) {
    Rollback();
    throw Conflict(sentence);
  }
  if (IsCrowd(code)) throw Crowded(sentence);
  if (!IsRefusal(code)) throw ConnectionLost(sentence);
  Rollback();
  throw Refused(sentence);
}

void MySession::Drain() noexcept {
  while (mysql_more_results(connection_.get()) != 0 && mysql_next_result(connection_.get()) == 0) {
    mysql_free_result(mysql_use_result(connection_.get()));
  }
}

void MySession::AppendQuoted(std::string& text, std::string_view bytes) {
  const std::size_t start = text.size();
  text.resize(start + 2 * bytes.size() + 3);
  text[start] = '\'';
  const auto size = mysql_real_escape_string(connection_.get(), text.data() + start + 1,
                                             bytes.data(), bytes.size());
  text.resize(start + 1 + size);
  text += '\'';
}

void MySession::AppendValue(std::string& text, const Value& value) {
  struct Visitor {
    MySession& session;
    std::string& text;
    void operator()(std::monostate) const { text += "NULL"; }
    void operator()(std::int64_t number) const { text += std::to_string(number); }
    void operator()(double number) const { text += ToText(number); }
    void operator()(const std::string& bytes) const { session.AppendQuoted(text, bytes); }
    void operator()(std::string_view bytes) const { session.AppendQuoted(text, bytes); }
    void operator()(const Blob& blob) const {
      text += "_binary";
      session.AppendQuoted(text, blob.bytes);
    }
  };
  std::visit(Visitor{*this, text}, value);
}

void MySession::Append(std::string& text, const Statement& statement) {
  if (!text.empty()) text += ';';
  std::string_view rest = statement.sql;
  for (const Value& value : statement.values) {
    const std::size_t mark = rest.find('?');
    text += rest.substr(0, mark);
    AppendValue(text, value);
    rest.remove_prefix(mark + 1);
  }
  text += rest;
}

void MySession::Send(std::span<const Statement> statements, Frame frame) {
  // One statement is a transaction by itself.
  const bool framed = statements.size() > 1 || frame != Frame::kWhole;
  before_ = framed && (frame == Frame::kBegin || frame == Frame::kWhole) ? 1 : 0;
  after_ = framed && (frame == Frame::kCommit || frame == Frame::kWhole) ? 1 : 0;
  statements_ = statements.size();
  text_.clear();
  if (before_ > 0) text_ = "START TRANSACTION";
  for (const Statement& statement : statements) Append(text_, statement);
  if (after_ > 0) text_ += text_.empty() ? "COMMIT" : ";COMMIT";
  if (max_packet_ > 0 && text_.size() + 1 > max_packet_) {
    const std::string size = std::to_string(text_.size());
    Rollback();
    throw Refused("mysql: " + size + " bytes are more than the server's max_allowed_packet, " +
                  std::to_string(max_packet_));
  }
  if (mysql_send_query(connection_.get(), text_.data(), text_.size()) != 0) Throw();
}

int MySession::fd() const {
  return mysql_get_socket(connection_.get());
}

bool MySession::Await(Duration timeout, const Waker& waker) {
  const int fd = mysql_get_socket(connection_.get());
  if (waker.Wait(fd, POLLIN, timeout) == Waker::Why::kReady) return true;
  // What has come counts, even to somebody who is woken all the time.
  pollfd socket{fd, POLLIN, 0};
  return poll(&socket, 1, 0) == 1;
}

Rows MySession::Take() {
  st_mysql* db = connection_.get();
  Rows rows;
  MYSQL_RES* result = mysql_store_result(db);
  if (result == nullptr) {
    // A connection that ends within a result has no fields any more, but an error.
    if (mysql_field_count(db) != 0 || mysql_errno(db) != 0) Throw();
    rows.changed = static_cast<std::int64_t>(mysql_affected_rows(db));
    rows.last_id = static_cast<std::int64_t>(mysql_insert_id(db));
    return rows;
  }
  rows.owner = std::shared_ptr<MYSQL_RES>(result, mysql_free_result);
  rows.columns = mysql_num_fields(result);
  rows.cells.reserve(rows.columns * mysql_num_rows(result));
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    for (std::size_t column = 0; column < rows.columns; ++column) {
      const char* data = row[column];
      rows.cells.push_back(data == nullptr ? std::string_view()
                                           : std::string_view(data, lengths[column]));
    }
  }
  return rows;
}

std::vector<Rows> MySession::Receive() {
  std::vector<Rows> out;
  const std::size_t all = before_ + statements_ + after_;
  out.reserve(statements_);
  for (std::size_t i = 0; i < all; ++i) {
    const int failed = i == 0 ? static_cast<int>(mysql_read_query_result(connection_.get()))
                              : mysql_next_result(connection_.get());
    if (failed > 0) Throw();
    if (failed < 0) throw ConnectionLost("mysql: an answer is missing");
    Rows rows = Take();
    if (i >= before_ && i < before_ + statements_) out.push_back(std::move(rows));
  }
  return out;
}

void MySession::Rollback() {
  constexpr std::string_view kRollback = "ROLLBACK";
  if (mysql_real_query(connection_.get(), kRollback.data(), kRollback.size()) != 0) {
    throw ConnectionLost(std::string("mysql: ") + mysql_error(connection_.get()));
  }
}

void MySession::Execute(const std::string& script) {
  if (mysql_real_query(connection_.get(), script.data(), script.size()) != 0) Throw();
  for (;;) {
    mysql_free_result(mysql_store_result(connection_.get()));
    const int more = mysql_next_result(connection_.get());
    if (more > 0) Throw();
    if (more < 0) return;
  }
}

Session::News MySession::WaitForNews(Duration timeout, const Waker& waker) {
  const int fd = mysql_get_socket(connection_.get());
  switch (waker.Wait(fd, POLLIN, timeout)) {
    case Waker::Why::kWoken: return News::kWoken;
    case Waker::Why::kTimeout: return News::kNone;
    case Waker::Why::kReady: break;
  }
  // Nothing was asked: the server says good-bye.
  throw ConnectionLost("mysql: the server closed the connection");
}

}  // namespace workmand::sql
