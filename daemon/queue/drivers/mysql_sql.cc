#include "daemon/queue/drivers/mysql_sql.h"

#include <algorithm>
#include <utility>

namespace workmand::sql {
namespace {

// VARBINARY: names are compared by their bytes, blanks at the end included. One script a table:
// each commits by itself here, so each must be harmless where the table is there already.
constexpr std::string_view kJobs = R"sql(
CREATE TABLE IF NOT EXISTS @(
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  task VARBINARY(255) NOT NULL,
  state TINYINT NOT NULL DEFAULT 0,
  priority TINYINT NOT NULL DEFAULT 1,
  fence INT NOT NULL DEFAULT 0,
  attempts INT NOT NULL DEFAULT 0,
  deliveries INT NOT NULL DEFAULT 0,
  max_attempts INT NOT NULL DEFAULT 0,
  waiters INT NOT NULL DEFAULT 0,
  holder BIGINT NOT NULL DEFAULT 0,
  due_at BIGINT NOT NULL DEFAULT 0,
  enqueued_at BIGINT NOT NULL DEFAULT 0,
  unique_key VARBINARY(255),
  payload LONGBLOB NOT NULL,
  KEY #_ready (state, task, priority DESC, id),
  KEY #_due (state, due_at),
  UNIQUE KEY #_unique (task, unique_key)) ENGINE=InnoDB
)sql";
constexpr std::string_view kHolders = R"sql(
CREATE TABLE IF NOT EXISTS @_holders(
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  host VARBINARY(255) NOT NULL,
  boot_id VARBINARY(64) NOT NULL,
  pid_namespace BIGINT NOT NULL,
  pid BIGINT NOT NULL,
  start_time BIGINT NOT NULL,
  since BIGINT NOT NULL) ENGINE=InnoDB
)sql";
constexpr std::string_view kAnswers = R"sql(
CREATE TABLE IF NOT EXISTS @_answers(
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  job BIGINT NOT NULL,
  kind TINYINT NOT NULL,
  waiters INT NOT NULL,
  expires_at BIGINT,
  numerator DOUBLE NOT NULL,
  denominator DOUBLE NOT NULL,
  bytes LONGBLOB NOT NULL,
  KEY #_answers_job (job, seq),
  KEY #_answers_expiry (expires_at)) ENGINE=InnoDB
)sql";
constexpr std::string_view kDead = R"sql(
CREATE TABLE IF NOT EXISTS @_dead(
  id BIGINT NOT NULL PRIMARY KEY,
  task VARBINARY(255) NOT NULL,
  priority TINYINT NOT NULL,
  fence INT NOT NULL,
  attempts INT NOT NULL,
  deliveries INT NOT NULL,
  max_attempts INT NOT NULL,
  enqueued_at BIGINT NOT NULL,
  failed_at BIGINT NOT NULL,
  unique_key VARBINARY(255),
  error LONGBLOB NOT NULL,
  payload LONGBLOB NOT NULL,
  KEY #_dead_failed (failed_at, id)) ENGINE=InnoDB
)sql";
constexpr std::string_view kView = R"sql(
CREATE OR REPLACE VIEW @_view AS
  SELECT j.id, CONVERT(task USING utf8mb4) AS task,
    CASE state WHEN 0 THEN 'ready' WHEN 1 THEN 'held' ELSE 'delayed' END AS state,
    CASE priority WHEN 0 THEN 'low' WHEN 1 THEN 'normal' ELSE 'high' END AS priority,
    attempts, deliveries, FROM_UNIXTIME(NULLIF(enqueued_at, 0) / 1000) AS enqueued,
    CASE state WHEN 2 THEN FROM_UNIXTIME(due_at / 1000) END AS due,
    CONVERT(host USING utf8mb4) AS host, pid,
    CASE state WHEN 1 THEN FROM_UNIXTIME(due_at / 1000) END AS lease_until,
    CONVERT(unique_key USING utf8mb4) AS unique_key, CONVERT(payload USING utf8mb4) AS payload
  FROM @ j LEFT JOIN @_holders h ON h.id = j.holder
)sql";
constexpr std::string_view kVersion =
    "CREATE TABLE IF NOT EXISTS @_schema(version INT NOT NULL PRIMARY KEY) ENGINE=InnoDB";
constexpr std::string_view kVersionRow = "INSERT IGNORE INTO @_schema VALUES (1)";

std::string Replaced(std::string_view text, char mark, const std::string& with) {
  std::string out;
  for (const char c : text) {
    if (c == mark) {
      out += with;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string MysqlSql::Now() const {
  return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";
}

Statement MysqlSql::Insert(const Enqueue& job, int waiters) const {
  const bool delayed = job.delay > Duration{0};
  Statement statement{
      "INSERT INTO " + table() +
          "(task, state, priority, max_attempts, waiters, enqueued_at, payload, due_at",
      {std::string_view(job.task), std::int64_t{delayed ? 2 : 0},
       static_cast<std::int64_t>(job.priority), std::int64_t{job.max_attempts},
       std::int64_t{waiters}, Blob{job.payload}}};
  statement.sql += job.unique.empty() ? ")" : ", unique_key)";
  statement.sql += " VALUES (?, ?, ?, ?, ?, " + Now() + ", ?";
  if (delayed) {
    statement.sql += ", " + Now() + " + ?";
    const auto most = Duration(std::chrono::hours(876'600)).count();
    statement.values.emplace_back(std::min<std::int64_t>(job.delay.count(), most));
  } else {
    statement.sql += ", 0";
  }
  if (job.unique.empty()) {
    statement.sql += ")";
    return statement;
  }
  statement.sql +=
      ", ?) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), waiters = waiters + VALUES(waiters)";
  statement.values.emplace_back(std::string_view(job.unique));
  return statement;
}

void MysqlSql::OnHeld(Statement verb, std::span<const std::int64_t> tokens,
                      std::vector<Statement>& out) const {
  std::vector<std::int64_t> ids;
  ids.reserve(tokens.size());
  for (const std::int64_t token : tokens) {
    ids.push_back(HoldOf(Token{static_cast<std::uint64_t>(token)}).id);
  }
  // By the key first: a test of pairs alone would read the whole table.
  Statement where;
  where.sql = " WHERE ";
  AddAmong(where, "id", ids, false);
  where.sql += " AND state = 1 AND ";
  AddAmong(where, kToken, tokens, false);
  out.push_back(
      {"SELECT " + std::string(kToken) + " FROM " + table() + where.sql + " FOR UPDATE", {}});
  verb.sql += where.sql;
  out.push_back(std::move(verb));
}

Statement MysqlSql::Fetch(const FetchPlan& plan) const {
  const auto n = static_cast<std::int64_t>(plan.n);
  if (plan.tasks.size() == 1) {
    return {"SELECT " + std::string(kJobColumns) + " FROM " + table() + " FORCE INDEX (" + stem() +
                "_ready) WHERE state = 0 AND task = ? ORDER BY priority DESC, id LIMIT ?"
                " FOR UPDATE SKIP LOCKED",
            {plan.tasks.front(), n}};
  }
  // The tasks take turns within each priority. Choosing locks nothing, so that no more rows are
  // locked than are taken.
  Statement statement;
  std::string parts;
  for (std::size_t turn = 0; turn < plan.tasks.size(); ++turn) {
    if (turn > 0) parts += " UNION ALL ";
    parts += "(SELECT id, priority, " + std::to_string(turn) + " AS turn FROM " + table() +
             " FORCE INDEX (" + stem() +
             "_ready) WHERE state = 0 AND task = ? ORDER BY priority DESC, id LIMIT ?)";
    statement.values.emplace_back(plan.tasks[turn]);
    statement.values.emplace_back(n);
  }
  statement.sql =
      "SELECT STRAIGHT_JOIN j.id, j.task, j.priority, j.fence, j.attempts, j.deliveries,"
      " j.max_attempts, j.waiters, j.enqueued_at, j.unique_key, j.payload FROM (SELECT id FROM"
      " (SELECT id, priority, turn, ROW_NUMBER() OVER (PARTITION BY turn, priority ORDER BY id)"
      " AS rnd FROM (" +
      parts + ") parts) ranked ORDER BY priority DESC, rnd, turn LIMIT ?) chosen JOIN " + table() +
      " j ON j.id = chosen.id WHERE j.state = 0 FOR UPDATE SKIP LOCKED";
  statement.values.emplace_back(n);
  return statement;
}

std::optional<Statement> MysqlSql::HoldChosen(const FetchPlan& plan,
                                              std::span<const std::int64_t> ids) const {
  Statement statement{"UPDATE " + table() +
                          " SET state = 1, fence = (fence + 1) & 1048575, deliveries = deliveries"
                          " + 1, holder = ?, due_at = " +
                          Now() + " + ? WHERE ",
                      {plan.holder, plan.lease.count()}};
  AddAmong(statement, "id", ids, false);
  return statement;
}

Statement MysqlSql::FallDue() const {
  return {"UPDATE " + table() + " SET state = 0, due_at = 0 WHERE state = 2 AND due_at <= " +
              Now() + " ORDER BY due_at LIMIT 1000",
          {}};
}

Statement MysqlSql::ListTasks() const {
  return {"SELECT DISTINCT task FROM " + table() + " WHERE state = 0 ORDER BY task", {}};
}

void MysqlSql::AddAmong(Statement& statement, std::string_view column,
                        std::span<const std::int64_t> numbers, bool none) const {
  statement.sql += std::string(column) + (none ? " NOT IN (" : " IN (");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) statement.sql += ',';
    statement.sql += std::to_string(numbers[i]);
  }
  statement.sql += ')';
}

void MysqlSql::AddAmong(Statement& statement, std::string_view column,
                        std::span<const std::string> texts) const {
  statement.sql += std::string(column) + " IN (";
  for (std::size_t i = 0; i < texts.size(); ++i) {
    statement.sql += i > 0 ? ",?" : "?";
    statement.values.emplace_back(texts[i]);
  }
  statement.sql += ')';
}

Statement MysqlSql::HasSchema() const {
  const std::size_t dot = table().find('.');
  const std::string database =
      dot == std::string::npos ? "DATABASE()" : "'" + table().substr(0, dot) + "'";
  return {"SELECT count(*) FROM information_schema.tables WHERE table_schema = " + database +
              " AND table_name = ?",
          {stem() + "_schema"}};
}

std::string MysqlSql::LockSchema() const {
  return "DO GET_LOCK('workman " + stem() + "', 5)";
}

std::string MysqlSql::UnlockSchema() const {
  return "DO RELEASE_LOCK('workman " + stem() + "')";
}

std::vector<std::string> MysqlSql::Schema() const {
  std::vector<std::string> scripts;
  for (const std::string_view script :
       {kJobs, kHolders, kAnswers, kDead, kView, kVersion, kVersionRow}) {
    scripts.push_back(Replaced(Replaced(script, '@', table()), '#', stem()));
  }
  return scripts;
}

}  // namespace workmand::sql
