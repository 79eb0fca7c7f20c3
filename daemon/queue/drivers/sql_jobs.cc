#include "daemon/queue/drivers/sql_jobs.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace workmand::sql {
namespace {

constexpr std::uint64_t kFenceMask = (std::uint64_t{1} << kFenceBits) - 1;
constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

/// Cut off at a hundred years: "never" must not overflow.
std::int64_t Ms(Duration duration) {
  return std::clamp<std::int64_t>(duration.count(), 0, 36'525 * kDayMs);
}

}  // namespace

Token TokenOf(const Hold& hold) {
  return Token{(static_cast<std::uint64_t>(hold.id) << kFenceBits) |
               (static_cast<std::uint64_t>(hold.fence) & kFenceMask)};
}

Hold HoldOf(Token token) {
  return {static_cast<std::int64_t>(token.value >> kFenceBits),
          static_cast<std::int64_t>(token.value & kFenceMask)};
}

bool IsTableName(std::string_view name) {
  constexpr std::size_t kLongest = 40;
  const auto plain = [](std::string_view part) {
    const auto letter = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    const auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
    return !part.empty() && part.size() <= kLongest && letter(part.front()) &&
           std::all_of(part.begin(), part.end(), fits);
  };
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return plain(name);
  return plain(name.substr(0, dot)) && plain(name.substr(dot + 1));
}

std::string_view WhyRefused(const Enqueue& job) {
  if (job.task.empty()) return "a job needs the name of a task";
  if (job.task == "*") return "\"*\" is not the name of a task";
  return {};
}

Job ReadJob(const Rows& rows, std::size_t row, bool ahead) {
  const int step = ahead ? 1 : 0;
  Job job;
  const Hold hold{rows.Int(row, 0), rows.Int(row, 3) + step};
  job.token = TokenOf(hold);
  job.id = std::to_string(hold.id);
  job.task = rows.Bytes(row, 1);
  job.priority = static_cast<Priority>(std::clamp<std::int64_t>(rows.Int(row, 2), 0, 2));
  job.attempt = static_cast<int>(rows.Int(row, 4)) + 1;
  job.deliveries = static_cast<int>(rows.Int(row, 5)) + step;
  job.max_attempts = static_cast<int>(rows.Int(row, 6));
  job.unique = rows.Bytes(row, 9);
  // With a unique key a caller may come to wait while the job runs.
  job.wants_result = rows.Int(row, 7) > 0 || !job.unique.empty();
  job.wants_progress = job.wants_result;
  job.drops_result = !job.wants_result;
  job.enqueued_at_ms = rows.Int(row, 8);
  job.payload = rows.Bytes(row, 10);
  return job;
}

JobSql::JobSql(std::string table) : table_(std::move(table)) {
  const std::size_t dot = table_.find('.');
  stem_ = dot == std::string::npos ? table_ : table_.substr(dot + 1);
}

std::string JobSql::Beside(std::string_view suffix) const {
  return table_ + std::string(suffix);
}

std::string JobSql::ForHold(Statement& statement, const Hold& hold) {
  statement.values.emplace_back(hold.id);
  statement.values.emplace_back(hold.fence);
  return " WHERE id = ? AND fence = ? AND state = 1";
}

Statement JobSql::FreeExpired() const {
  return {"UPDATE " + table_ +
              " SET state = 0, holder = 0, due_at = 0 WHERE state = 1 AND due_at <= " + Now(),
          {}};
}

Statement JobSql::NextEvents(std::span<const std::string> tasks) const {
  const std::string min = "(SELECT min(due_at) FROM " + table_ + " WHERE state = ";
  Statement statement{"SELECT " + min + "2) - " + Now() + ", " + min + "1) - " + Now() +
                          ", CASE WHEN EXISTS (SELECT 1 FROM " + table_ + " WHERE state = 0",
                      {}};
  if (!tasks.empty()) {
    statement.sql += " AND ";
    AddAmong(statement, "task", tasks);
  }
  statement.sql += ") THEN 1 ELSE 0 END";
  return statement;
}

Statement JobSql::PutBack(const Hold& hold, const Update& update) const {
  const bool failed = update.kind == Update::Kind::kFail;
  const bool uncounted = update.kind == Update::Kind::kAbort && update.never_ran;
  Statement statement{"UPDATE " + table_ +
                          " SET state = ?, holder = 0, attempts = attempts + ?, deliveries ="
                          " deliveries - ?, due_at = ",
                      {}};
  const bool delayed = update.delay > Duration{0};
  statement.values = {std::int64_t{delayed ? 2 : 0}, std::int64_t{failed ? 1 : 0},
                      std::int64_t{uncounted ? 1 : 0}};
  if (delayed) {
    statement.sql += Now() + " + ?";
    statement.values.emplace_back(Ms(update.delay));
  } else {
    statement.sql += "0";
  }
  statement.sql += ForHold(statement, hold);
  return statement;
}

Statement JobSql::Delete(const Hold& hold) const {
  Statement statement{"DELETE FROM " + table_, {}};
  statement.sql += ForHold(statement, hold);
  return statement;
}

Statement JobSql::IsHeld(const Hold& hold) const {
  Statement statement{"SELECT 1 FROM " + table_, {}};
  statement.sql += ForHold(statement, hold);
  return statement;
}

Statement JobSql::Bury(const Hold& hold, std::string_view error) const {
  Statement statement{
      "INSERT INTO " + Beside("_dead") +
          "(id, task, priority, fence, attempts, deliveries, max_attempts,"
          " enqueued_at, failed_at, unique_key, error, payload) SELECT id, task,"
          " priority, fence, attempts + 1, deliveries, max_attempts, enqueued_at, " +
          Now() + ", unique_key, ?, payload FROM " + table_,
      {Blob{error}}};
  statement.sql += ForHold(statement, hold);
  return statement;
}

Statement JobSql::Answer(const Hold& hold, AnswerKind kind, const Update& update,
                         Duration ttl) const {
  Statement statement{"INSERT INTO " + Beside("_answers") +
                          "(job, kind, waiters, expires_at, numerator, denominator, bytes)"
                          " SELECT id, ?, waiters, ",
                      {static_cast<std::int64_t>(kind)}};
  if (ttl > Duration{0}) {
    statement.sql += Now() + " + ?";
    statement.values.emplace_back(Ms(ttl));
  } else {
    statement.sql += "NULL";
  }
  statement.sql += ", ?, ?, ? FROM " + table_;
  statement.values.emplace_back(update.numerator);
  statement.values.emplace_back(update.denominator);
  statement.values.emplace_back(Blob{update.bytes});
  statement.sql += ForHold(statement, hold) + " AND waiters > 0";
  return statement;
}

Statement JobSql::OneWaiterLess(std::int64_t id) const {
  return {"UPDATE " + table_ + " SET waiters = waiters - 1 WHERE id = ? AND waiters > 1", {id}};
}

Statement JobSql::AnswersFor(std::span<const std::int64_t> jobs) const {
  Statement statement{
      "SELECT seq, job, kind, numerator, denominator, bytes FROM " + Beside("_answers") + " WHERE ",
      {}};
  AddAmong(statement, "job", jobs);
  statement.sql += " ORDER BY seq";
  return statement;
}

void JobSql::Collected(std::span<const std::int64_t> jobs, std::vector<Statement>& out) const {
  Statement less{"UPDATE " + Beside("_answers") + " SET waiters = waiters - 1 WHERE ", {}};
  AddAmong(less, "job", jobs);
  Statement forget{"DELETE FROM " + Beside("_answers") + " WHERE waiters <= 0 AND ", {}};
  AddAmong(forget, "job", jobs);
  out.push_back(std::move(less));
  out.push_back(std::move(forget));
}

Statement JobSql::AddHolder(const Process& process) const {
  return {"INSERT INTO " + Beside("_holders") +
              "(host, boot_id, pid_namespace, pid, start_time, since) VALUES(?, ?, ?, ?, ?, " +
              Now() + ")" + std::string(ReturningId()),
          {process.host, process.boot_id, process.pid_namespace, process.pid, process.start_time}};
}

Statement JobSql::TouchHolder(std::int64_t holder) const {
  return {"UPDATE " + Beside("_holders") + " SET since = " + Now() + " WHERE id = ?", {holder}};
}

Statement JobSql::HoldersOf(std::string_view host) const {
  return {"SELECT id, boot_id, pid_namespace, pid, start_time FROM " + Beside("_holders") +
              " WHERE host = ?",
          {std::string(host)}};
}

void JobSql::FreeHolders(std::span<const std::int64_t> holders, std::vector<Statement>& out) const {
  Statement jobs{"UPDATE " + table_ + " SET state = 0, holder = 0, due_at = 0 WHERE state = 1 AND ",
                 {}};
  AddAmong(jobs, "holder", holders);
  Statement forget{"DELETE FROM " + Beside("_holders") + " WHERE ", {}};
  AddAmong(forget, "id", holders);
  out.push_back(std::move(jobs));
  out.push_back(std::move(forget));
}

Statement JobSql::FreeUnknown(std::int64_t holder, std::span<const std::int64_t> known) const {
  Statement statement{
      "UPDATE " + table_ + " SET state = 0, holder = 0, due_at = 0 WHERE state = 1 AND holder = ?",
      {holder}};
  if (!known.empty()) {
    statement.sql += " AND ";
    AddAmong(statement, kToken, known, true);
  }
  return statement;
}

void JobSql::Sweep(Duration retention, std::vector<Statement>& out) const {
  out.push_back({"DELETE FROM " + Beside("_answers") + " WHERE expires_at <= " + Now(), {}});
  if (retention > Duration{0}) {
    out.push_back({"DELETE FROM " + Beside("_dead") + " WHERE failed_at <= " + Now() + " - ?",
                   {Ms(retention)}});
  }
}

Statement JobSql::Count(std::string_view task) const {
  // A sum of two counts, so that each runs over an index and not over the payloads.
  Statement statement;
  const std::string of_task = task.empty() ? "" : " AND task = ?";
  const std::string count = "(SELECT count(*) FROM " + table_ + " WHERE state = ";
  statement.sql = "SELECT " + count + "0" + of_task + ") + " + count + "2" + of_task + ")";
  if (!task.empty()) statement.values = {std::string(task), std::string(task)};
  return statement;
}

Statement JobSql::OldestAge() const {
  return {"SELECT " + Now() + " - enqueued_at FROM " + table_ +
              " WHERE state = 0 AND enqueued_at > 0 ORDER BY id LIMIT 1",
          {}};
}

Statement JobSql::ListDead(std::size_t limit) const {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  return {"SELECT id, task, attempts, deliveries, failed_at, error, payload FROM " +
              Beside("_dead") + " ORDER BY failed_at DESC, id DESC LIMIT ?",
          {static_cast<std::int64_t>(std::min(limit, kMost))}};
}

void JobSql::RetryDead(std::int64_t id, std::vector<Statement>& out) const {
  // The fence goes on counting: a settlement from a former life must not fit this one.
  out.push_back({"INSERT INTO " + table_ +
                     "(id, task, priority, fence, max_attempts, enqueued_at, unique_key, payload)"
                     " SELECT id, task, priority, fence, max_attempts, enqueued_at, unique_key,"
                     " payload FROM " +
                     Beside("_dead") + " WHERE id = ?",
                 {id}});
  out.push_back(DropDead(id));
}

Statement JobSql::DropDead(std::int64_t id) const {
  return {"DELETE FROM " + Beside("_dead") + " WHERE id = ?", {id}};
}

}  // namespace workmand::sql
