// The tables of the drivers `postgres` and `mysql`, as statements: what is the same for both stands
// in the base class, what the servers say differently is for JobSql's two heirs (postgres.cc,
// mysql.cc). It keeps nothing but the names of the tables and runs nothing.
//
// All times in the tables are Unix time in ms by the clock of the server, so that the clocks of the
// daemons do not matter.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/process_identity.h"
#include "daemon/queue/drivers/sql_session.h"

namespace workmand::sql {

inline constexpr int kJobSchemaVersion = 1;

enum class JobState : int { kReady = 0, kHeld = 1, kDelayed = 2 };
enum class AnswerKind : int { kDone = 0, kFailed = 1, kProgress = 2, kData = 3 };

/// What a token is made of: a row, and how often it was handed out. Both are in the table, so a
/// token stays good over a reconnect, and is no longer good once somebody else has the job.
struct Hold {
  std::int64_t id = 0;
  std::int64_t fence = 0;
};
inline constexpr unsigned kFenceBits = 20;
[[nodiscard]] Token TokenOf(const Hold& hold);
[[nodiscard]] Hold HoldOf(Token token);

struct FetchPlan {
  std::vector<std::string> tasks;
  std::size_t n = 0;
  std::int64_t holder = 0;
  Duration lease{0};
};

class JobSql {
 public:
  /// `table` is a plain name, or SCHEMA.NAME (IsTableName).
  explicit JobSql(std::string table);
  virtual ~JobSql() = default;
  JobSql(const JobSql&) = delete;
  JobSql& operator=(const JobSql&) = delete;

  [[nodiscard]] const std::string& table() const { return table_; }
  /// The table's name without its schema; also the channel on which new jobs are announced.
  [[nodiscard]] const std::string& stem() const { return stem_; }
  /// A name of ours beside the table: "_answers", "_dead", "_holders", "_schema".
  [[nodiscard]] std::string Beside(std::string_view suffix) const;

  // ---- what the servers say differently ----

  /// The present time as an expression.
  [[nodiscard]] virtual std::string Now() const = 0;
  /// Puts a job; where its unique key is taken, adds `waiters` to the job that has it.
  [[nodiscard]] virtual Statement Insert(const Enqueue& job, int waiters) const = 0;
  /// Goes behind an INSERT so that InsertedId can tell the id.
  [[nodiscard]] virtual std::string_view ReturningId() const = 0;
  /// What the Rows of Insert, and of AddHolder, say the id is.
  [[nodiscard]] virtual std::int64_t InsertedId(const Rows& rows) const = 0;
  /// Appends `verb` (DELETE FROM … or UPDATE … SET …, with its values) for the tokens that are
  /// good; the Rows of the first statement that it appends list these, as numbers.
  virtual void OnHeld(Statement verb, std::span<const std::int64_t> tokens,
                      std::vector<Statement>& out) const = 0;
  /// Chooses jobs. Where it holds them as well, the Rows are kJobColumns as they are now.
  [[nodiscard]] virtual Statement Fetch(const FetchPlan& plan) const = 0;
  /// Holds what Fetch has chosen; nullopt where Fetch has done so.
  [[nodiscard]] virtual std::optional<Statement> HoldChosen(
      const FetchPlan& plan, std::span<const std::int64_t> ids) const = 0;
  /// Delayed jobs whose time has come become ready; in portions.
  [[nodiscard]] virtual Statement FallDue() const = 0;
  [[nodiscard]] virtual Statement ListTasks() const = 0;
  /// Tells who listens to `channel`; nullopt where nobody can.
  [[nodiscard]] virtual std::optional<Statement> Notify(std::string_view channel,
                                                        std::string_view text) const = 0;
  /// Adds "COLUMN is one of these" to the statement, or, with `none`, "is none of these".
  virtual void AddAmong(Statement& statement, std::string_view column,
                        std::span<const std::int64_t> numbers, bool none = false) const = 0;
  virtual void AddAmong(Statement& statement, std::string_view column,
                        std::span<const std::string> texts) const = 0;
  /// Goes before what a crash of the server may undo without harm, so that it need not wait for
  /// the disk; nullopt where there is no such thing.
  [[nodiscard]] virtual std::optional<Statement> Relax() const = 0;

  /// One number: whether the table `_schema` is there.
  [[nodiscard]] virtual Statement HasSchema() const = 0;
  /// The scripts that make the tables, one after the other, and those that go before and after
  /// them, so that only one process at a time does it.
  [[nodiscard]] virtual std::vector<std::string> Schema() const = 0;
  [[nodiscard]] virtual std::string LockSchema() const = 0;
  [[nodiscard]] virtual std::string UnlockSchema() const = 0;

  // ---- what is the same ----

  static constexpr std::string_view kJobColumns =
      "id, task, priority, fence, attempts, deliveries, max_attempts, waiters, enqueued_at,"
      " unique_key, payload";
  /// The token of a row as an expression.
  static constexpr std::string_view kToken = "id * 1048576 + fence";

  [[nodiscard]] Statement FreeExpired() const;
  /// Three numbers: ms until a delayed job falls due, until a lease ends (null = never), and
  /// whether a job of `tasks` (empty = any) is ready.
  [[nodiscard]] Statement NextEvents(std::span<const std::string> tasks) const;
  [[nodiscard]] Statement PutBack(const Hold& hold, const Update& update) const;
  [[nodiscard]] Statement Delete(const Hold& hold) const;
  [[nodiscard]] Statement IsHeld(const Hold& hold) const;
  [[nodiscard]] Statement Bury(const Hold& hold, std::string_view error) const;
  /// An answer, or a note, for those who wait for the job; none when nobody does.
  [[nodiscard]] Statement Answer(const Hold& hold, AnswerKind kind, const Update& update,
                                 Duration ttl) const;
  [[nodiscard]] Statement OneWaiterLess(std::int64_t id) const;
  [[nodiscard]] Statement AnswersFor(std::span<const std::int64_t> jobs) const;
  /// Appends: this instance has the answers of `jobs`.
  void Collected(std::span<const std::int64_t> jobs, std::vector<Statement>& out) const;

  [[nodiscard]] Statement AddHolder(const Process& process) const;
  [[nodiscard]] Statement TouchHolder(std::int64_t holder) const;
  [[nodiscard]] Statement HoldersOf(std::string_view host) const;
  /// Appends: what dead holders hold is ready again, and they are forgotten.
  void FreeHolders(std::span<const std::int64_t> holders, std::vector<Statement>& out) const;
  /// What the holder holds besides `known` is ready again: it was lost on the way to us.
  [[nodiscard]] Statement FreeUnknown(std::int64_t holder,
                                      std::span<const std::int64_t> known) const;
  /// Appends the deletion of what is too old.
  void Sweep(Duration retention, std::vector<Statement>& out) const;

  [[nodiscard]] Statement Count(std::string_view task) const;
  [[nodiscard]] Statement OldestAge() const;
  [[nodiscard]] Statement ListDead(std::size_t limit) const;
  /// Appends the insert into the jobs and the deletion of the letter.
  void RetryDead(std::int64_t id, std::vector<Statement>& out) const;
  [[nodiscard]] Statement DropDead(std::int64_t id) const;

 protected:
  /// `WHERE` for one hold; adds its values.
  static std::string ForHold(Statement& statement, const Hold& hold);

 private:
  std::string table_;
  std::string stem_;
};

/// Letters, digits and underscores, not a digit first, at most 40; perhaps a schema before it.
[[nodiscard]] bool IsTableName(std::string_view name);

/// A sentence when the job can never be put; else empty.
[[nodiscard]] std::string_view WhyRefused(const Enqueue& job);

/// A job from row `row` of kJobColumns. `ahead`: the row is not held yet, so that fence and
/// deliveries are one short.
[[nodiscard]] Job ReadJob(const Rows& rows, std::size_t row, bool ahead);

}  // namespace workmand::sql
