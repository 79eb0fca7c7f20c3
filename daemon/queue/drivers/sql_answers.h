// The producer's view of foreground jobs: which ones this instance waits for, and what the table of
// answers has brought. Rows become visible in the order of their commits and not of their numbers,
// so it asks by job, and remembers for each how far it has read. It runs nothing itself.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sql_session.h"
#include "daemon/queue/queue.h"

namespace workmand::sql {

class Answers {
 public:
  [[nodiscard]] bool Waits() const { return !awaited_.empty(); }
  [[nodiscard]] bool Awaits(std::int64_t job) const { return awaited_.contains(job); }
  void Expect(std::int64_t job) { awaited_.try_emplace(job, 0); }
  [[nodiscard]] std::vector<std::int64_t> Jobs() const;

  /// Reads the Rows of JobSql::AnswersFor; returns the jobs whose last answer was among them. These
  /// are awaited no more.
  std::vector<std::int64_t> Read(const Rows& rows);
  /// Whether TakeReplies or TakeNotes would give something.
  [[nodiscard]] bool HasNews() const { return !replies_.empty() || !notes_.empty(); }
  void TakeReplies(std::vector<Reply>& out);
  void TakeNotes(std::vector<ProgressNote>& out);

 private:
  std::map<std::int64_t, std::int64_t> awaited_;  ///< job: the last row read
  std::vector<Reply> replies_;
  std::vector<ProgressNote> notes_;
};

}  // namespace workmand::sql
