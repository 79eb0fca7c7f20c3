// One look for jobs, as the statements of a round trip and their answer read back; and when the
// next look is worth while. Driven by SqlQueue; it runs nothing and never waits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sql_jobs.h"
#include "daemon/queue/queue.h"

namespace workmand::sql {

class Look {
 public:
  /// `wakes`: the server tells of new jobs. `interval`: how long to sleep at most without a look.
  Look(const JobSql& sql, bool wakes, Duration interval);

  /// The set of tasks; "*" = all. Duplicates count once.
  void Subscribe(std::span<const Subscription> tasks);
  [[nodiscard]] bool HasTasks() const { return every_task_ || !tasks_.empty(); }
  /// Whether SetTasks must be called before each look, with what JobSql::ListTasks brings.
  [[nodiscard]] bool every_task() const { return every_task_; }
  void SetTasks(const Rows& rows);

  /// Appends the statements of a look for `plan.n` jobs (tasks are filled in). `alone`: nothing
  /// else is in the transaction.
  void Begin(FetchPlan plan, bool alone, std::vector<Statement>& out);
  /// Reads the answer to what Begin appended, which begins at rows[first]; `now` is used to plan
  /// the next look. Where the server needs it, JobSql::HoldChosen must follow for jobs().
  void Read(std::span<const Rows> rows, std::size_t first, bool ahead, TimePoint now);
  /// What the last Read found.
  [[nodiscard]] std::vector<Job>& jobs() { return jobs_; }
  [[nodiscard]] const FetchPlan& plan() const { return plan_; }

  /// When to look next.
  [[nodiscard]] TimePoint due() const { return due_; }
  void LookAt(TimePoint when) { due_ = when; }
  /// Whether the last look found as many as were asked for: then there are probably more.
  [[nodiscard]] bool flows() const { return flows_; }

 private:
  void PlanNext(const Rows* events, TimePoint now);

  const JobSql& sql_;
  bool wakes_;
  Duration interval_;
  bool every_task_ = false;
  std::vector<std::string> tasks_;
  std::size_t turn_ = 0;  ///< which task is first, so that none starves
  FetchPlan plan_;
  std::size_t fetch_at_ = 0;   ///< of the statements of the look: which one fetches
  std::size_t events_at_ = 0;  ///< which one tells of events; 0: none
  bool flows_ = false;
  TimePoint thorough_at_;          ///< when a look also saw to due times and leases
  TimePoint next_event_ = kNever;  ///< as far as the last such look knew
  Duration pause_{0};              ///< after a look in vain
  TimePoint due_;
  std::vector<Job> jobs_;
};

}  // namespace workmand::sql
