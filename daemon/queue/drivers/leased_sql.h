// The tables of Perl's job queues, as statements. All of them have one table of names of functions
// and one of jobs with `grabbed_until`, a lease in whole seconds; a LeasedFormat says how the
// columns are called and what a failure writes. The tables are made by those queues, not by us.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sql_session.h"

namespace workmand::sql {

enum class Engine { kSqlite, kMysql, kPostgres };

/// What the engines say differently.
struct LeasedDialect {
  Engine engine = Engine::kSqlite;

  /// The present second.
  [[nodiscard]] std::string Now() const;
  /// The first whole second that is not before now + ? ms.
  [[nodiscard]] std::string SecondAfter() const;
  /// Goes behind a SELECT of jobs that are to be held.
  [[nodiscard]] std::string Lock() const;
  /// "INSERT INTO", such that a row whose key is taken is left out; `Otherwise` goes behind it.
  [[nodiscard]] std::string InsertNew() const;
  [[nodiscard]] std::string Otherwise() const;
  [[nodiscard]] std::string ReturningId(const std::string& column) const;
  /// A `?` for bytes.
  [[nodiscard]] std::string Bytes() const;
};

/// A job that we hold. `until` is the fence: whoever grabs it after us writes a later time.
struct LeasedHold {
  std::int64_t job = 0;
  std::int64_t until = 0;
};

class LeasedFormat {
 public:
  LeasedFormat() = default;
  virtual ~LeasedFormat() = default;
  LeasedFormat(const LeasedFormat&) = delete;
  LeasedFormat& operator=(const LeasedFormat&) = delete;

  LeasedDialect dialect;
  bool has_priority = true;  ///< the table of jobs has such a column

  // The names of tables and columns.
  std::string functions = "funcmap";
  std::string function_id = "funcid";
  std::string function_name = "funcname";
  std::string job_id = "jobid";
  std::string job_function = "funcid";
  std::string put_time = "insert_time";
  /// How many failures a job had, as an expression over the table of jobs.
  std::string failures = "(SELECT count(*) FROM error WHERE error.jobid = job.jobid)";

  /// The number that stands for a priority; nullptr-like monostate for the usual one.
  [[nodiscard]] virtual Value PriorityOf(Priority priority) const = 0;
  [[nodiscard]] virtual Priority PriorityFrom(const Rows& rows, std::size_t row,
                                              std::size_t column) const = 0;
  /// What jobs are sorted by, before their ids.
  [[nodiscard]] virtual std::string Order() const = 0;
  /// Appends what a failure leaves behind, while the job is still there; `last`: it goes then.
  virtual void Failed(const LeasedHold& hold, std::string_view message, bool last,
                      std::vector<Statement>& out) const = 0;
  /// What an UPDATE that puts a failed job back sets besides; begins with ", ", or is empty.
  [[nodiscard]] virtual std::string CountFailure() const { return {}; }
  /// Columns of a new job that have no default and no other value: ", a, b" and ", 0, 0".
  [[nodiscard]] virtual std::string MoreColumns() const { return {}; }
  [[nodiscard]] virtual std::string MoreValues() const { return {}; }

  // ---- what is the same ----

  [[nodiscard]] Statement ListFunctions() const;
  [[nodiscard]] Statement AddFunction(std::string_view name) const;
  /// Appends one or two statements; FoundId reads the Rows of these.
  void Insert(const Enqueue& job, std::int64_t function, std::vector<Statement>& out) const;
  [[nodiscard]] std::int64_t FoundId(std::span<const Rows> rows) const;
  /// id, function, arg, uniqkey, put time, priority, failures of up to `n` jobs of one function.
  [[nodiscard]] Statement Choose(std::int64_t function, std::size_t n) const;
  /// Appends: hold these; the Rows of the last statement tell the id and the lease of each.
  void Grab(std::span<const std::int64_t> jobs, Duration lease, std::vector<Statement>& out) const;
  [[nodiscard]] Statement Delete(const LeasedHold& hold) const;
  [[nodiscard]] Statement PutBack(const LeasedHold& hold, Duration delay, bool failed) const;
  /// Appends: the lease now ends after `lease`; the Rows of the last tell when.
  void Extend(const LeasedHold& hold, Duration lease, std::vector<Statement>& out) const;
  [[nodiscard]] Statement Count(std::int64_t function) const;

 protected:
  /// `WHERE` for a job that we hold; adds its values.
  std::string ForHold(Statement& statement, const LeasedHold& hold) const;
};

}  // namespace workmand::sql
