// The tables of Perl's job queues, for the tests of the drivers `theschwartz` and `qudo`: as their
// own schemas make them, less what neither side looks at.
#pragma once

#include <string>

namespace workmand {

/// `driver`: theschwartz or qudo; `engine`: sqlite, mysql or postgres.
[[nodiscard]] inline std::string LeasedTables(const std::string& driver,
                                              const std::string& engine) {
  const bool postgres = engine == "postgres";
  std::string key = " INTEGER PRIMARY KEY AUTOINCREMENT";
  if (postgres) key = " BIGSERIAL PRIMARY KEY";
  if (engine == "mysql") key = " BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY";
  const std::string bytes = postgres ? " BYTEA" : " MEDIUMBLOB";
  const std::string text =
      engine == "mysql" ? " VARCHAR(255) COLLATE utf8mb4_bin" : " VARCHAR(255)";
  if (driver == "qudo") {
    return "CREATE TABLE func(id" + key + ", name" + text + " NOT NULL UNIQUE);" +
           "CREATE TABLE job(id" + key + ", func_id INTEGER NOT NULL, arg" + bytes + ", uniqkey" +
           text +
           ", enqueue_time INTEGER, grabbed_until INTEGER NOT NULL, run_after INTEGER NOT NULL,"
           " retry_cnt INTEGER NOT NULL, priority INTEGER NOT NULL DEFAULT 0,"
           " UNIQUE(func_id, uniqkey));"
           "CREATE TABLE exception_log(id" +
           key + ", func_id INTEGER NOT NULL, exception_time INTEGER NOT NULL, message" + bytes +
           " NOT NULL, uniqkey" + text + ", arg" + bytes + ", retried SMALLINT NOT NULL);";
  }
  return "CREATE TABLE funcmap(funcid" + key + ", funcname" + text + " NOT NULL UNIQUE);" +
         "CREATE TABLE job(jobid" + key + ", funcid INTEGER NOT NULL, arg" + bytes + ", uniqkey" +
         text +
         ", insert_time INTEGER, run_after INTEGER NOT NULL, grabbed_until INTEGER NOT NULL,"
         " priority SMALLINT, coalesce VARCHAR(255), UNIQUE(funcid, uniqkey));"
         "CREATE INDEX job_run_after ON job(funcid, run_after);"
         "CREATE TABLE note(jobid BIGINT NOT NULL, notekey VARCHAR(255), value" +
         bytes +
         ", PRIMARY KEY(jobid, notekey));"
         "CREATE TABLE error(error_time INTEGER NOT NULL, jobid BIGINT NOT NULL,"
         " message VARCHAR(255) NOT NULL, funcid INTEGER NOT NULL DEFAULT 0);"
         "CREATE INDEX error_jobid ON error(jobid);"
         "CREATE TABLE exitstatus(jobid BIGINT NOT NULL PRIMARY KEY, funcid INTEGER NOT NULL"
         " DEFAULT 0, status SMALLINT, completion_time INTEGER, delete_after INTEGER);";
}

}  // namespace workmand
