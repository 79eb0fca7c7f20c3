// The ledger on disk: counts of jobs that ended badly, and dead letters, in an SQLite file of its
// own. Driven by the ledger (ledger.h) and by `workman failed`, each with a connection of its own.
// It never reads a clock.
//
// Errors: every member may throw what sqlite::Database throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/sqlite_db.h"
#include "daemon/queue/ledger_key.h"
#include "daemon/queue/queue.h"

namespace workmand {

/// What a job has behind it.
struct LedgerCounts {
  int attempts = 0;  ///< ends that it caused
  int deliveries = 0;
  [[nodiscard]] bool empty() const { return attempts == 0 && deliveries == 0; }
};

class LedgerFile {
 public:
  /// Opens the file, and makes it and its folder when they are missing.
  explicit LedgerFile(const std::string& path);

  [[nodiscard]] std::unordered_map<LedgerKey, LedgerCounts> ReadCounts();
  /// `job` and `task` are for people who look into the file; they may be empty.
  struct CountsEntry {
    LedgerKey key;
    LedgerCounts counts;
    std::string_view job;
    std::string_view task;
  };
  void WriteCounts(const std::vector<CountsEntry>& entries, sqlite::WallTime now);
  void DropCounts(const std::vector<LedgerKey>& keys);

  /// Keeps a dead letter and returns its id: the job's, with "#2" and so on behind it when that is
  /// taken.
  std::string Bury(const Job& job, std::string_view error, sqlite::WallTime now);
  /// Up to `limit`, the newest first.
  [[nodiscard]] std::vector<DeadLetter> ListDead(std::size_t limit);
  /// The job of a letter, as it can be put on the queue again.
  [[nodiscard]] std::optional<Enqueue> FindDead(std::string_view id);
  /// False = no such id.
  bool DropDead(std::string_view id);

  /// Drops letters older than `retention` (0 = none), and counts of jobs that did not come again
  /// for a week.
  void Sweep(sqlite::WallTime now, Duration retention);

 private:
  sqlite::Database db_;
};

}  // namespace workmand
