#include "daemon/queue/drivers/pg_session.h"

#include <array>
#include <libpq-fe.h>
#include <poll.h>

namespace workmand::sql {
namespace {

constexpr unsigned kByteaOid = 17;

// The tables are queues: their statistics are out of date at any moment, and a plan that reads the
// whole table is right only while it is empty. So the indexes are used, whatever the statistics
// say.
constexpr const char* kSettings =
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET jit = off;"
    " SET plan_cache_mode = force_generic_plan; SET client_encoding = 'UTF8';"
    " SET client_min_messages = error; SET lock_timeout = '5s'; SET bytea_output = 'hex';"
    " SET standard_conforming_strings = on";

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

/// "relation does not exist" and no more: without the newline, and without the lines behind it.
std::string FirstLine(const char* message) {
  std::string_view text = message == nullptr ? "" : message;
  text = text.substr(0, text.find('\n'));
  return std::string(text);
}

/// libpq numbers the values.
std::string Numbered(const std::string& sql) {
  std::string out;
  int number = 0;
  for (const char c : sql) {
    if (c == '?') {
      out += "$" + std::to_string(++number);
    } else {
      out += c;
    }
  }
  return out;
}

int HexDigit(char c) {
  return c >= 'a' ? c - 'a' + 10 : c - '0';
}

std::string FromHex(std::string_view text) {
  text.remove_prefix(2);  // "\x"
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out += static_cast<char>(HexDigit(text[i]) * 16 + HexDigit(text[i + 1]));
  }
  return out;
}

/// The values of one statement in the shape that libpq wants.
struct Parameters {
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  std::deque<std::string> texts;

  void Add(const char* data, std::size_t size, int format) {
    values.push_back(data);
    lengths.push_back(static_cast<int>(size));
    formats.push_back(format);
  }
  /// libpq reads a text up to its zero; one within it must be refused, not cut off.
  void AddText(std::string text) {
    if (text.find('\0') != std::string::npos) {
      throw Refused("a name must not hold a zero byte");
    }
    texts.push_back(std::move(text));
    Add(texts.back().c_str(), texts.back().size(), 0);
  }
  void operator()(std::monostate) { Add(nullptr, 0, 0); }
  void operator()(std::int64_t number) { AddText(std::to_string(number)); }
  void operator()(double number) { AddText(ToText(number)); }
  void operator()(const std::string& text) { AddText(text); }
  void operator()(std::string_view text) { AddText(std::string(text)); }
  void operator()(const Blob& blob) {
    Add(blob.bytes.empty() ? "" : blob.bytes.data(), blob.bytes.size(), 1);
  }
};

}  // namespace

void PgDeleter::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

PgSession::PgSession(const std::string& url, const std::string& name) {
  const std::string seconds = std::to_string(kConnectTimeout / std::chrono::seconds(1));
  const std::array<const char*, 5> keys{"connect_timeout", "application_name", "dbname",
                                        "fallback_application_name", nullptr};
  const std::array<const char*, 5> values{seconds.c_str(), name.c_str(), url.c_str(), name.c_str(),
                                          nullptr};
  connection_.reset(PQconnectdbParams(keys.data(), values.data(), 1));
  if (connection_ == nullptr) throw ConnectionLost("postgres: out of memory");
  if (PQstatus(connection_.get()) != CONNECTION_OK) ThrowLost();
  const Result set(PQexec(connection_.get(), kSettings));
  if (PQresultStatus(set.get()) != PGRES_COMMAND_OK) ThrowLost();
  if (PQsetnonblocking(connection_.get(), 1) != 0) ThrowLost();
}

void PgSession::ThrowLost() const {
  std::string why = FirstLine(PQerrorMessage(connection_.get()));
  if (why.empty()) why = "the server closed the connection";
  throw ConnectionLost("postgres: " + why);
}

void PgSession::SendFrame(const char* sql) {
  if (PQsendQueryParams(connection_.get(), sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 0) {
    ThrowLost();
  }
  expected_.push_back({Expected::Kind::kFrame, {}});
}

void PgSession::SendStatement(const Statement& statement) {
  Parameters parameters;
  for (const Value& value : statement.values) std::visit(parameters, value);
  auto found = prepared_.find(statement.sql);
  if (found == prepared_.end()) {
    const std::string name = "s" + std::to_string(prepared_.size());
    found = prepared_.emplace(statement.sql, name).first;
    const std::string text = Numbered(statement.sql);
    if (PQsendPrepare(connection_.get(), name.c_str(), text.c_str(), 0, nullptr) == 0) ThrowLost();
    expected_.push_back({Expected::Kind::kPrepare, statement.sql});
  }
  const auto count = static_cast<int>(parameters.values.size());
  if (PQsendQueryPrepared(connection_.get(), found->second.c_str(), count, parameters.values.data(),
                          parameters.lengths.data(), parameters.formats.data(), 0) == 0) {
    ThrowLost();
  }
  expected_.push_back({Expected::Kind::kRows, {}});
}

void PgSession::Send(std::span<const Statement> statements, Frame frame) {
  expected_.clear();
  if (PQenterPipelineMode(connection_.get()) == 0) ThrowLost();
  bool sent = false;
  try {
    if (frame == Frame::kBegin) SendFrame("BEGIN");
    for (const Statement& statement : statements) SendStatement(statement);
    if (frame == Frame::kCommit) SendFrame("COMMIT");
    sent = true;
  } catch (const Refused&) {
    // What was sent before it must not take effect alone.
    SendFrame("ROLLBACK");
  }
  if (PQpipelineSync(connection_.get()) == 0) ThrowLost();
  Flush();
  if (sent) return;
  Receive();
  throw Refused("a name must not hold a zero byte");
}

void PgSession::Flush() {
  const TimePoint deadline = After(Clock::now(), kAnswerTimeout);
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return;
    if (left < 0) ThrowLost();
    pollfd socket{PQsocket(connection_.get()), POLLIN | POLLOUT, 0};
    const Duration time = Until(Clock::now(), deadline);
    if (poll(&socket, 1, static_cast<int>(time.count())) == 0) {
      throw ConnectionLost("postgres: the server takes no more data");
    }
    // The server may wait for us to read before it reads on.
    if ((socket.revents & POLLIN) != 0) Consume();
  }
}

void PgSession::Consume() {
  if (PQconsumeInput(connection_.get()) == 0) ThrowLost();
}

bool PgSession::Await(Duration timeout, const Waker& waker) {
  const TimePoint deadline = After(Clock::now(), timeout);
  while (PQisBusy(connection_.get()) != 0) {
    const auto why = waker.Wait(PQsocket(connection_.get()), POLLIN, Until(Clock::now(), deadline));
    // What has come counts, even to somebody who is woken all the time.
    pollfd socket{PQsocket(connection_.get()), POLLIN, 0};
    if (why != Waker::Why::kReady && poll(&socket, 1, 0) != 1) return false;
    Consume();
  }
  return true;
}

pg_result* PgSession::NextResult(TimePoint deadline) {
  while (PQisBusy(connection_.get()) != 0) {
    pollfd socket{PQsocket(connection_.get()), POLLIN, 0};
    const Duration time = Until(Clock::now(), deadline);
    const int ready = poll(&socket, 1, static_cast<int>(time.count()));
    if (ready == 0) throw ConnectionLost("postgres: the server does not answer");
    if (ready > 0) Consume();
  }
  return PQgetResult(connection_.get());
}

void PgSession::NoteError(const pg_result* result) {
  if (!error_state_.empty()) return;
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  error_state_ = state == nullptr ? "08000" : state;
  error_text_ = FirstLine(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  if (error_text_.empty()) error_text_ = FirstLine(PQresultErrorMessage(result));
}

void PgSession::Take(pg_result* result, const Expected& expected, std::vector<Rows>& out) {
  const auto status = PQresultStatus(result);
  const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  if (status == PGRES_FATAL_ERROR) NoteError(result);
  if (expected.kind == Expected::Kind::kPrepare && !good) prepared_.erase(expected.sql);
  if (expected.kind != Expected::Kind::kRows || !good) {
    PQclear(result);
    return;
  }
  Rows& rows = out.emplace_back();
  rows.owner = std::shared_ptr<PGresult>(result, ResultDeleter{});
  const std::string changed = PQcmdTuples(result);
  std::from_chars(changed.data(), changed.data() + changed.size(), rows.changed);
  const int columns = PQnfields(result);
  const int count = PQntuples(result);
  rows.columns = static_cast<std::size_t>(columns);
  rows.cells.reserve(rows.columns * static_cast<std::size_t>(count));
  for (int row = 0; row < count; ++row) {
    for (int column = 0; column < columns; ++column) {
      const char* data = PQgetvalue(result, row, column);
      std::string_view cell(data, static_cast<std::size_t>(PQgetlength(result, row, column)));
      if (PQgetisnull(result, row, column) != 0) {
        cell = {};
      } else if (PQftype(result, column) == kByteaOid) {
        cell = rows.decoded.emplace_back(FromHex(cell));
      }
      rows.cells.push_back(cell);
    }
  }
}

std::vector<Rows> PgSession::Receive() {
  const TimePoint deadline = After(Clock::now(), kAnswerTimeout);
  std::vector<Rows> out;
  error_state_.clear();
  std::size_t next = 0;
  for (;;) {
    pg_result* result = NextResult(deadline);
    if (result == nullptr) {
      // It stands between the results of two statements.
      if (PQstatus(connection_.get()) != CONNECTION_OK) ThrowLost();
      continue;
    }
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      break;
    }
    if (next == expected_.size()) {
      PQclear(result);
      ThrowLost();
    }
    Take(result, expected_[next++], out);
  }
  if (PQexitPipelineMode(connection_.get()) == 0) ThrowLost();
  NoteNotices();
  CheckError();
  return out;
}

void PgSession::CheckError() {
  if (error_state_.empty()) return;
  const std::string state = std::exchange(error_state_, {});
  Rollback();
  const std::string sentence = "postgres: " + error_text_;
  const std::string kind = state.substr(0, 2);
  if (state == "40001" || state == "40P01" || state == "55P03") throw Conflict(sentence);
  // Data, rules, limits of the program, "not supported".
  if (kind == "22" || kind == "23" || kind == "54" || kind == "0A") throw Refused(sentence);
  throw ConnectionLost(sentence);
}

void PgSession::Rollback() {
  const auto status = PQtransactionStatus(connection_.get());
  if (status != PQTRANS_INTRANS && status != PQTRANS_INERROR) return;
  Execute("ROLLBACK");
}

void PgSession::Execute(const std::string& script) {
  if (PQsendQuery(connection_.get(), script.c_str()) == 0) ThrowLost();
  Flush();
  // Schema work may take longer than an answer does.
  const TimePoint deadline = After(Clock::now(), 3 * kAnswerTimeout);
  error_state_.clear();
  for (;;) {
    const Result result(NextResult(deadline));
    if (result == nullptr) break;
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) NoteError(result.get());
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) ThrowLost();
  CheckError();
}

void PgSession::NoteNotices() {
  for (;;) {
    PGnotify* notice = PQnotifies(connection_.get());
    if (notice == nullptr) return;
    notices_.emplace_back(notice->relname, notice->extra);
    PQfreemem(notice);
  }
}

Session::News PgSession::WaitForNews(Duration timeout, const Waker& waker) {
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    NoteNotices();
    if (!notices_.empty()) return News::kNotice;
    const auto why = waker.Wait(PQsocket(connection_.get()), POLLIN, Until(Clock::now(), deadline));
    if (why == Waker::Why::kWoken) return News::kWoken;
    if (why == Waker::Why::kTimeout) return News::kNone;
    Consume();
    if (PQstatus(connection_.get()) != CONNECTION_OK) ThrowLost();
  }
}

std::vector<std::pair<std::string, std::string>> PgSession::TakeNotices() {
  NoteNotices();
  return std::exchange(notices_, {});
}

}  // namespace workmand::sql
