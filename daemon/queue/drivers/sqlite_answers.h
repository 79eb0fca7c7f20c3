// The producer's view of foreground jobs: which ones this instance waits for, and what has come for
// them in the table `answers`. One number, the last row read, makes a look cost nothing when
// nothing is new. Driven by the instance's thread; it never waits.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sqlite_db.h"
#include "daemon/queue/queue.h"

namespace workmand::sqlite {

class Answers {
 public:
  [[nodiscard]] bool Waits() const { return !awaited_.empty(); }
  /// Within the transaction that put the foreground job `id`.
  void Announce(Database& db, std::int64_t id);
  /// After its commit: from now on Collect gives the answer.
  void Expect(std::int64_t id) { awaited_.insert(id); }

  /// Appends the replies, and keeps the notes for TakeNotes; true when there was either. A job's
  /// rows are deleted when all who waited for it have its reply.
  bool Collect(Database& db, std::vector<Reply>& out);
  void TakeNotes(std::vector<ProgressNote>& out);

 private:
  struct Final {
    std::int64_t seq = 0;
    std::int64_t job = 0;
  };
  void MarkCollected(Database& db, const std::vector<Final>& finals);

  std::unordered_set<std::int64_t> awaited_;
  std::int64_t last_seq_ = 0;
  std::vector<ProgressNote> notes_;
};

/// Deletes answers that nobody has collected in time. In a transaction of its own.
void SweepAnswers(Database& db, WallTime now);

}  // namespace workmand::sqlite
