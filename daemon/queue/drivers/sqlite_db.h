// One connection to an SQLite file: prepared statements, transactions, and SQLite's error codes
// turned into the two exceptions of a driver. Driven by one thread, the instance's. It knows no
// table of ours and never retries by itself.
//
// Errors: every member may throw ConnectionLost (Busy among them), or Rejected for a value that is
// over SQLite's limits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

struct sqlite3;
struct sqlite3_stmt;

namespace workmand::sqlite {

/// Moments in the file are Unix time in ms: they must mean the same to every process and after a
/// restart.
using WallTime = std::chrono::sys_time<Duration>;

/// `from + length`, cut off at a hundred years: "never" must not overflow.
[[nodiscard]] WallTime Later(WallTime from, Duration length);

/// Another connection held the write lock for longer than the busy time-out.
struct Busy : ConnectionLost {
  using ConnectionLost::ConnectionLost;
};

/// Binds as a BLOB; a plain string_view binds as TEXT.
struct Blob {
  std::string_view bytes;
};

struct DatabaseOptions {
  std::string path;
  bool full_sync = true;  ///< false: `synchronous: normal`
  Duration busy_timeout{5'000};
  int max_row = 0;  ///< bytes of one row; 0 = SQLite's own limit
};

class Database {
 public:
  /// Opens the file, and makes it when it is missing (not its folder).
  explicit Database(DatabaseOptions options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs one statement to its end; returns the number of rows that it changed.
  template <typename... Args>
  std::int64_t Run(const char* sql, const Args&... args);
  /// Runs a script of statements; for the schema and settings. Not cached.
  void Execute(const char* script);

  /// The id that the last INSERT of this connection gave.
  [[nodiscard]] std::int64_t LastId() const;
  /// A number that changes when another connection has committed.
  [[nodiscard]] std::int64_t DataVersion();
  /// Whether some connection has the write lock just now. Takes and gives back the lock to find
  /// out; waits for nobody.
  [[nodiscard]] bool IsBeingWritten();
  /// Somebody deleted, moved or replaced the file: what is written now reaches nobody.
  [[nodiscard]] bool Moved();
  [[nodiscard]] const std::string& path() const { return options_.path; }

 private:
  friend class Query;
  friend class Transaction;
  friend class WakeWhileBusy;

  struct StatementDeleter {
    void operator()(sqlite3_stmt* statement) const;
  };
  struct ConnectionDeleter {
    void operator()(sqlite3* connection) const;
  };

  static int OnBusy(void* self, int count);
  /// `sql` must be a constant with a life as long as the program's: its address is the key.
  sqlite3_stmt* Prepare(const char* sql);
  void SetDurable(bool durable);
  void Check(int code);
  [[noreturn]] void Throw(int code);

  DatabaseOptions options_;
  const Waker* waker_ = nullptr;  ///< see WakeWhileBusy
  bool durable_ = true;           ///< whether commits are synced just now
  bool patient_ = true;           ///< whether to wait for the lock
  Duration waited_{0};            ///< for the lock, in the present statement
  std::unique_ptr<sqlite3, ConnectionDeleter> connection_;
  std::unordered_map<const void*, std::unique_ptr<sqlite3_stmt, StatementDeleter>> statements_;
};

/// One run of a cached statement; gives it back when it goes. Two runs of one statement must not
/// overlap. Values that are bound must outlive it.
class Query {
 public:
  template <typename... Args>
  Query(Database& db, const char* sql, const Args&... args) : db_(db), statement_(db.Prepare(sql)) {
    int index = 0;
    (Bind(++index, args), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// Goes to the next row; false when there is none left.
  bool Next();
  [[nodiscard]] std::int64_t Int(int column) const;
  [[nodiscard]] double Real(int column) const;
  [[nodiscard]] bool IsNull(int column) const;
  /// TEXT or BLOB; valid until the next call of Next.
  [[nodiscard]] std::string_view Bytes(int column) const;
  [[nodiscard]] WallTime Time(int column) const { return WallTime(Duration(Int(column))); }

 private:
  void Bind(int index, std::int64_t value);
  void Bind(int index, double value);
  void Bind(int index, std::string_view text);
  void Bind(int index, const std::string& text) { Bind(index, std::string_view{text}); }
  void Bind(int index, const Blob& blob);
  void Bind(int index, std::nullopt_t);
  void Bind(int index, int value) { Bind(index, std::int64_t{value}); }
  void Bind(int index, WallTime time) {
    Bind(index, std::int64_t{time.time_since_epoch().count()});
  }
  template <typename T>
  void Bind(int index, const std::optional<T>& value) {
    if (value) {
      Bind(index, *value);
    } else {
      Bind(index, std::nullopt);
    }
  }

  Database& db_;
  sqlite3_stmt* statement_;
};

/// Begins in the constructor; rolls back in the destructor unless Commit was called.
class Transaction {
 public:
  enum class Lock {
    kRead,   ///< becomes a writer with its first write, or throws Busy at once
    kWrite,  ///< waits for the write lock, at most the busy time-out
  };
  /// kRelaxed: the commit is not synced even with `synchronous: full`. It is right for what a crash
  /// of the machine undoes anyway (a hold); later synced commits carry it to the disk.
  enum class Sync { kDurable, kRelaxed };

  Transaction(Database& db, Lock lock, Sync sync);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void Commit();

 private:
  Database& db_;
  bool open_ = true;
};

/// While it lives, waiting for the lock ends (with Busy) as soon as `waker` is woken.
class WakeWhileBusy {
 public:
  WakeWhileBusy(Database& db, const Waker& waker) : db_(db) { db_.waker_ = &waker; }
  ~WakeWhileBusy() { db_.waker_ = nullptr; }
  WakeWhileBusy(const WakeWhileBusy&) = delete;
  WakeWhileBusy& operator=(const WakeWhileBusy&) = delete;

 private:
  Database& db_;
};

std::int64_t ChangesOf(sqlite3* connection);

template <typename... Args>
std::int64_t Database::Run(const char* sql, const Args&... args) {
  Query query(*this, sql, args...);
  while (query.Next()) {
  }
  return ChangesOf(connection_.get());
}

}  // namespace workmand::sqlite
