// Hands jobs out: which ones are next, and the hold that goes with each. Driven by the consumer
// instance; one transaction a batch. It never waits: it says when to look again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sqlite_db.h"
#include "daemon/queue/drivers/sqlite_leases.h"
#include "daemon/queue/queue.h"

namespace workmand::sqlite {

/// A token names a row and how often it was handed out, so that it is no longer good once somebody
/// else has the job. It stays good over a reconnect, since both numbers are in the file.
struct Hold {
  std::int64_t id = 0;
  std::int64_t fence = 0;
};
[[nodiscard]] Token TokenOf(const Hold& hold);
[[nodiscard]] Hold HoldOf(Token token);

class Fetcher {
 public:
  explicit Fetcher(Duration lease_time) : lease_time_(lease_time) {}

  /// The set of tasks; "*" = all. Duplicates count once.
  void Subscribe(std::span<const Subscription> tasks);
  [[nodiscard]] bool HasTasks() const { return every_task_ || !tasks_.empty(); }
  /// Begins a new session: another file, or another process after a fork.
  void Reset() { holder_ = 0; }

  /// Appends up to `n` jobs; lets delayed jobs fall due and ends expired leases first. Writes
  /// nothing, and takes no lock, when there is nothing to do.
  void Fetch(Database& db, std::size_t n, WallTime now, std::vector<Job>& out);
  /// When a delayed job falls due or a lease ends next, as far as it was known to the last Fetch;
  /// WallTime::max() = never.
  [[nodiscard]] WallTime next_event() const { return std::min(next_due_, next_lease_end_); }

 private:
  struct Candidate {
    std::int64_t id = 0;
    std::int64_t priority = 0;
    std::size_t round = 0;  ///< the how-manieth of its task and priority
    std::size_t turn = 0;   ///< the place of its task in this batch
  };

  void Try(Database& db, std::size_t n, WallTime now, Transaction::Lock lock,
           std::vector<Job>& out);
  void FallDue(Database& db, WallTime now);
  /// Looks about once a second, or when told to; true when it freed something.
  bool EndLeases(Database& db, WallTime now, bool look);
  [[nodiscard]] const std::vector<std::string>& WantedTasks(Database& db);
  void Choose(Database& db, std::size_t n);
  Job HandOut(Database& db, std::int64_t id, WallTime now) const;

  Duration lease_time_;
  bool every_task_ = false;
  std::vector<std::string> tasks_;
  std::size_t turn_ = 0;  ///< which task is first, so that none starves
  std::int64_t holder_ = 0;
  WallTime next_due_ = WallTime::max();
  WallTime next_lease_end_ = WallTime::max();
  WallTime leases_looked_at_ = WallTime::min();
  std::vector<Candidate> candidates_;  ///< of the present batch; kept for its memory
};

}  // namespace workmand::sqlite
