#include "daemon/queue/drivers/sqlite_jobs.h"

#include <algorithm>
#include <optional>
#include <string>

#include "daemon/queue/drivers/sqlite_schema.h"

namespace workmand::sqlite {
namespace {

// With a unique key that is taken nothing is inserted; else the conflict clause never acts.
constexpr const char* kInsert =
    "INSERT INTO jobs(task, state, priority, fence, attempts, deliveries, max_attempts, waiters,"
    " enqueued_at, due_at, unique_key, payload)"
    " VALUES(?1, ?2, ?3, 0, 0, 0, ?4, 0, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
constexpr const char* kFindUnique = "SELECT id FROM jobs WHERE task = ?1 AND unique_key = ?2";
constexpr const char* kAddWaiter = "UPDATE jobs SET waiters = waiters + 1 WHERE id = ?1";
// A sum of two counts, so that each runs over a small partial index and not over the payloads.
constexpr const char* kCountAll =
    "SELECT (SELECT count(*) FROM jobs INDEXED BY jobs_ready WHERE state = 0)"
    " + (SELECT count(*) FROM jobs INDEXED BY jobs_delayed WHERE state = 2)";
constexpr const char* kCountTask =
    "SELECT (SELECT count(*) FROM jobs INDEXED BY jobs_ready WHERE state = 0 AND task = ?1)"
    " + (SELECT count(*) FROM jobs INDEXED BY jobs_delayed WHERE state = 2 AND task = ?1)";
// Hops from task to task and from priority to priority in the index: ids grow with time, so the
// oldest is the first of one of them. A minimum over all rows would read them all.
constexpr const char* kOldest = R"sql(
WITH RECURSIVE tasks(task) AS (
  SELECT (SELECT task FROM jobs WHERE state = 0 ORDER BY task LIMIT 1)
  UNION ALL
  SELECT (SELECT task FROM jobs WHERE state = 0 AND task > tasks.task ORDER BY task LIMIT 1)
    FROM tasks WHERE tasks.task IS NOT NULL),
ranks(priority) AS (VALUES (0), (1), (2))
SELECT enqueued_at FROM jobs WHERE id = (
  SELECT min((SELECT min(id) FROM jobs
               WHERE state = 0 AND task = tasks.task AND priority = ranks.priority))
    FROM tasks, ranks WHERE tasks.task IS NOT NULL)
)sql";

}  // namespace

std::string_view WhyRefused(const Enqueue& job) {
  if (job.task.empty()) return "a job needs the name of a task";
  if (job.task == "*") return "\"*\" is not the name of a task";
  return {};
}

std::int64_t InsertJob(Database& db, const Enqueue& job, WallTime now) {
  const bool delayed = job.delay > Duration{0};
  const std::optional<std::string_view> unique =
      job.unique.empty() ? std::nullopt : std::optional<std::string_view>(job.unique);
  const std::int64_t added =
      db.Run(kInsert, job.task, static_cast<int>(delayed ? JobState::kDelayed : JobState::kReady),
             static_cast<int>(job.priority), job.max_attempts, now, Later(now, job.delay), unique,
             Blob{job.payload});
  if (added > 0) return db.LastId();
  Query query(db, kFindUnique, job.task, unique);
  return query.Next() ? query.Int(0) : 0;
}

void AddWaiter(Database& db, std::int64_t id) {
  db.Run(kAddWaiter, id);
}

std::uint64_t CountWaiting(Database& db, std::string_view task) {
  const auto count = [](Query query) {
    return query.Next() ? static_cast<std::uint64_t>(query.Int(0)) : 0;
  };
  return task.empty() ? count(Query(db, kCountAll)) : count(Query(db, kCountTask, task));
}

std::optional<WallTime> OldestReady(Database& db) {
  Query query(db, kOldest);
  if (!query.Next()) return std::nullopt;
  return query.Time(0);
}

}  // namespace workmand::sqlite
