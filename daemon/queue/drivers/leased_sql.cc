#include "daemon/queue/drivers/leased_sql.h"

#include <algorithm>
#include <utility>

namespace workmand::sql {
namespace {

/// Leases and delays are kept in 32 bits of seconds.
std::int64_t Ms(Duration duration) {
  return std::clamp(duration, Duration{0}, Duration(std::chrono::hours(24 * 365))).count();
}

std::string Numbers(std::span<const std::int64_t> numbers) {
  std::string text;
  for (const std::int64_t number : numbers) {
    if (!text.empty()) text += ',';
    text += std::to_string(number);
  }
  return text;
}

}  // namespace

std::string LeasedDialect::Now() const {
  switch (engine) {
    case Engine::kSqlite: return "CAST(strftime('%s', 'now') AS INTEGER)";
    case Engine::kMysql: return "UNIX_TIMESTAMP()";
    case Engine::kPostgres: return "floor(extract(epoch FROM statement_timestamp()))::integer";
  }
  return {};
}

std::string LeasedDialect::SecondAfter() const {
  switch (engine) {
    case Engine::kSqlite:
      return "(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ? + 999) / 1000";
    case Engine::kMysql: return "CEIL((UNIX_TIMESTAMP(NOW(3)) * 1000 + ?) / 1000)";
    case Engine::kPostgres:
      return "ceil((extract(epoch FROM statement_timestamp()) * 1000 + ?::bigint) / 1000)::integer";
  }
  return {};
}

std::string LeasedDialect::Lock() const {
  return engine == Engine::kSqlite ? "" : " FOR UPDATE SKIP LOCKED";
}

std::string LeasedDialect::InsertNew() const {
  switch (engine) {
    case Engine::kSqlite: return "INSERT OR IGNORE INTO ";
    case Engine::kMysql: return "INSERT IGNORE INTO ";
    case Engine::kPostgres: return "INSERT INTO ";
  }
  return {};
}

std::string LeasedDialect::Otherwise() const {
  return engine == Engine::kPostgres ? " ON CONFLICT DO NOTHING" : "";
}

std::string LeasedDialect::ReturningId(const std::string& column) const {
  return engine == Engine::kPostgres ? " RETURNING " + column : "";
}

std::string LeasedDialect::Bytes() const {
  return engine == Engine::kPostgres ? "?::bytea" : "?";
}

std::string LeasedFormat::ForHold(Statement& statement, const LeasedHold& hold) const {
  statement.values.emplace_back(hold.job);
  statement.values.emplace_back(hold.until);
  return " WHERE " + job_id + " = ? AND grabbed_until = ?";
}

Statement LeasedFormat::ListFunctions() const {
  return {"SELECT " + function_id + ", " + function_name + " FROM " + functions, {}};
}

Statement LeasedFormat::AddFunction(std::string_view name) const {
  return {
      dialect.InsertNew() + functions + "(" + function_name + ") VALUES (?)" + dialect.Otherwise(),
      {std::string(name)}};
}

void LeasedFormat::Insert(const Enqueue& job, std::int64_t function,
                          std::vector<Statement>& out) const {
  const Value priority = PriorityOf(job.priority);
  const bool states_priority = has_priority && !std::holds_alternative<std::monostate>(priority);
  Statement insert;
  insert.sql = (job.unique.empty() ? std::string("INSERT INTO ") : dialect.InsertNew()) + "job(" +
               job_function + ", arg, " + put_time + ", grabbed_until, run_after" + MoreColumns() +
               (states_priority ? ", priority" : "") + (job.unique.empty() ? "" : ", uniqkey") +
               ") VALUES (?, " + dialect.Bytes() + ", " + dialect.Now() + ", 0, ";
  insert.values = {function, Blob{job.payload}};
  if (job.delay > Duration{0}) {
    insert.sql += dialect.SecondAfter();
    insert.values.emplace_back(Ms(job.delay));
  } else {
    insert.sql += dialect.Now();
  }
  insert.sql += MoreValues();
  if (states_priority) {
    insert.sql += ", ?";
    insert.values.push_back(priority);
  }
  if (!job.unique.empty()) {
    insert.sql += ", ?";
    insert.values.emplace_back(std::string_view(job.unique));
  }
  insert.sql += ")";
  if (job.unique.empty()) {
    insert.sql += dialect.ReturningId(job_id);
    out.push_back(std::move(insert));
    return;
  }
  insert.sql += dialect.Otherwise();
  out.push_back(std::move(insert));
  out.push_back({"SELECT " + job_id + " FROM job WHERE " + job_function + " = ? AND uniqkey = ?",
                 {function, std::string_view(job.unique)}});
}

std::int64_t LeasedFormat::FoundId(std::span<const Rows> rows) const {
  const Rows& last = rows.back();
  return last.size() > 0 ? last.Int(0, 0) : last.last_id;
}

Statement LeasedFormat::Choose(std::int64_t function, std::size_t n) const {
  return {"SELECT " + job_id + ", " + job_function + ", arg, uniqkey, " + put_time + ", " +
              (has_priority ? "priority" : "NULL") + ", " + failures + " FROM job WHERE " +
              job_function + " = ? AND run_after <= " + dialect.Now() +
              " AND grabbed_until <= " + dialect.Now() + " ORDER BY " +
              (has_priority ? Order() + ", " : "") + job_id + " LIMIT ?" + dialect.Lock(),
          {function, static_cast<std::int64_t>(n)}};
}

void LeasedFormat::Grab(std::span<const std::int64_t> jobs, Duration lease,
                        std::vector<Statement>& out) const {
  const std::string among = " WHERE " + job_id + " IN (" + Numbers(jobs) + ")";
  out.push_back({"UPDATE job SET grabbed_until = " + dialect.SecondAfter() + among, {Ms(lease)}});
  out.push_back({"SELECT " + job_id + ", grabbed_until FROM job" + among, {}});
}

Statement LeasedFormat::Delete(const LeasedHold& hold) const {
  Statement statement{"DELETE FROM job", {}};
  statement.sql += ForHold(statement, hold);
  return statement;
}

Statement LeasedFormat::PutBack(const LeasedHold& hold, Duration delay, bool failed) const {
  Statement statement{"UPDATE job SET grabbed_until = 0, run_after = ", {}};
  if (delay > Duration{0}) {
    statement.sql += dialect.SecondAfter();
    statement.values.emplace_back(Ms(delay));
  } else {
    statement.sql += dialect.Now();
  }
  if (failed) statement.sql += CountFailure();
  statement.sql += ForHold(statement, hold);
  return statement;
}

void LeasedFormat::Extend(const LeasedHold& hold, Duration lease,
                          std::vector<Statement>& out) const {
  Statement extend{"UPDATE job SET grabbed_until = " + dialect.SecondAfter(), {Ms(lease)}};
  extend.sql += ForHold(extend, hold);
  out.push_back(std::move(extend));
  out.push_back({"SELECT grabbed_until FROM job WHERE " + job_id + " = ?", {hold.job}});
}

Statement LeasedFormat::Count(std::int64_t function) const {
  return {
      "SELECT count(*) FROM job WHERE grabbed_until <= " + dialect.Now() + " AND " +
          (function == 0 ? std::string("1 = 1") : job_function + " = " + std::to_string(function)),
      {}};
}

}  // namespace workmand::sql
