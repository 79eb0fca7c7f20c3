// One connection to an SQL server (or file), as the SQL drivers need it: several statements go out
// in one round trip and are one transaction; the answer may be waited for together with a Waker.
// Implemented by pg_session, my_session and lite_session. Driven by one thread, the instance's.
//
// Errors: every member may throw ConnectionLost, Refused or Conflict. After Refused and Conflict
// the transaction is rolled back and the session can be used on.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

namespace workmand::sql {

/// The server understood and will never do it: a value is too long, is no UTF-8, breaks a rule.
struct Refused : Rejected {
  using Rejected::Rejected;
};
/// A dead lock, or a lock that somebody else kept for too long: the same transaction may succeed
/// when it is tried again.
struct Conflict : ConnectionLost {
  using ConnectionLost::ConnectionLost;
};

/// Bytes that are no text. Like all views in a Statement they must live until it was sent.
struct Blob {
  std::string_view bytes;
};
/// Null, a number, a text that the statement owns, a text that it borrows, or bytes.
using Value =
    std::variant<std::monostate, std::int64_t, double, std::string, std::string_view, Blob>;

/// One statement; every `?` stands for the next of `values`. The text holds no other `?`.
struct Statement {
  std::string sql;
  std::vector<Value> values;
};

/// What a statement brought.
class Rows {
 public:
  Rows() = default;
  ~Rows() = default;
  // A copy's cells would point into the original.
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  Rows(Rows&&) = default;
  Rows& operator=(Rows&&) = default;

  [[nodiscard]] std::size_t size() const { return columns == 0 ? 0 : cells.size() / columns; }
  [[nodiscard]] bool IsNull(std::size_t row, std::size_t column) const {
    return At(row, column).data() == nullptr;
  }
  /// Empty for null; lives as long as the Rows.
  [[nodiscard]] std::string_view Bytes(std::size_t row, std::size_t column) const {
    return At(row, column);
  }
  /// 0 for null and for what is no number.
  [[nodiscard]] std::int64_t Int(std::size_t row, std::size_t column) const {
    const std::string_view text = At(row, column);
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
  [[nodiscard]] double Real(std::size_t row, std::size_t column) const {
    const std::string_view text = At(row, column);
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  std::size_t columns = 0;
  std::vector<std::string_view> cells;  ///< row after row; data() == nullptr is null
  std::int64_t changed = 0;             ///< rows that an INSERT, UPDATE or DELETE touched
  std::int64_t last_id = 0;             ///< where the client is told the id of an INSERT
  std::shared_ptr<void> owner;          ///< what the cells point into
  std::deque<std::string> decoded;      ///< and cells that had to be decoded

 private:
  [[nodiscard]] std::string_view At(std::size_t row, std::size_t column) const {
    return cells.at(row * columns + column);
  }
};

/// Which part of a transaction a round trip is.
enum class Frame {
  kWhole,
  kBegin,   ///< its first part; it stays open
  kInside,  ///< neither first nor last
  kCommit,  ///< its last part
};

/// How long a server may take to answer before it counts as lost.
inline constexpr Duration kAnswerTimeout{10'000};
/// How long connecting may take.
inline constexpr Duration kConnectTimeout{5'000};

class Session {
 public:
  virtual ~Session() = default;

  /// Sends; its answer must be taken with Receive before anything else is sent.
  virtual void Send(std::span<const Statement> statements, Frame frame) = 0;
  /// Waits until the answer begins to come; false when woken, or when `timeout` is over, first.
  virtual bool Await(Duration timeout, const Waker& waker) = 0;
  /// The answer, one Rows a statement; waits for it, kAnswerTimeout at most.
  virtual std::vector<Rows> Receive() = 0;
  /// Ends a transaction that is open, by undoing it.
  virtual void Rollback() = 0;

  enum class News { kNone, kNotice, kWoken };
  /// Waits while nothing is under way, for a notice (from a channel that is listened to), for the
  /// waker, or for `timeout`. Throws ConnectionLost when the server goes away meanwhile.
  virtual News WaitForNews(Duration timeout, const Waker& waker) = 0;
  /// The notices that have come: channel and text. Empty where there is no such thing.
  virtual std::vector<std::pair<std::string, std::string>> TakeNotices() { return {}; }
  /// Runs a script of statements, without values, that is its own transaction where the server
  /// knows transactions of such (DDL).
  virtual void Execute(const std::string& script) = 0;

  /// Send and Receive.
  std::vector<Rows> Run(std::span<const Statement> statements, Frame frame = Frame::kWhole) {
    Send(statements, frame);
    return Receive();
  }
  Rows RunOne(const Statement& statement, Frame frame = Frame::kWhole) {
    return std::move(Run({&statement, 1}, frame).front());
  }
};

/// The shortest text that reads back as the same number.
inline std::string ToText(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

/// Runs `work` again while it ends in a Conflict; the last one is thrown on.
template <typename Work>
auto Retrying(Work&& work) {
  constexpr int kTries = 8;
  for (int i = 1;; ++i) {
    try {
      return work();
    } catch (const Conflict&) {
      if (i == kTries) throw;
    }
  }
}

}  // namespace workmand::sql
