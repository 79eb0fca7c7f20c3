// The limit for SQLite: one process that fetches jobs in batches and deletes those of the batch
// before in the same transaction, on a table of its own with the columns that any queue needs.
// It prints one JSON object.
//
//   bench_sqlite_loop FILE JOBS BATCH PAYLOAD
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

static sqlite3* db;

static void Check(int result, const char* what) {
  if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW) return;
  fprintf(stderr, "bench_sqlite_loop: %s: %s\n", what, sqlite3_errmsg(db));
  exit(1);
}

static void Run(const char* sql) {
  Check(sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt* Prepare(const char* sql) {
  sqlite3_stmt* statement = NULL;
  Check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), sql);
  return statement;
}

static double Seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void Fill(long jobs, const char* payload) {
  sqlite3_stmt* insert = Prepare("INSERT INTO jobs(task, payload) VALUES('Echo', ?1)");
  Run("BEGIN");
  for (long i = 0; i < jobs; ++i) {
    sqlite3_bind_blob(insert, 1, payload, (int)strlen(payload), SQLITE_STATIC);
    Check(sqlite3_step(insert), "insert");
    sqlite3_reset(insert);
  }
  Run("COMMIT");
  sqlite3_finalize(insert);
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fputs("usage: bench_sqlite_loop FILE JOBS BATCH PAYLOAD\n", stderr);
    return 64;
  }
  const long jobs = strtol(argv[2], NULL, 10);
  const int batch = (int)strtol(argv[3], NULL, 10);
  Check(sqlite3_open(argv[1], &db), "open");
  Run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
  Run("CREATE TABLE jobs(id INTEGER PRIMARY KEY, task TEXT NOT NULL, payload BLOB, lease_until "
      "INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0)");
  Fill(jobs, argv[4]);
  sqlite3_stmt* fetch = Prepare(
      "UPDATE jobs SET lease_until = 1, attempt = attempt + 1 WHERE id IN (SELECT id FROM jobs "
      "WHERE lease_until = 0 ORDER BY id LIMIT ?1) RETURNING id, payload");
  sqlite3_stmt* settle = Prepare("DELETE FROM jobs WHERE id = ?1");
  sqlite3_int64* held = calloc((size_t)batch, sizeof *held);
  if (held == NULL) abort();
  int holding = 0;
  long done = 0;
  const double begin = Seconds(CLOCK_MONOTONIC);
  const double cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID);
  do {
    Run("BEGIN IMMEDIATE");
    for (int i = 0; i < holding; ++i) {
      sqlite3_bind_int64(settle, 1, held[i]);
      Check(sqlite3_step(settle), "delete");
      sqlite3_reset(settle);
    }
    done += holding;
    holding = 0;
    sqlite3_bind_int(fetch, 1, batch);
    int step = 0;
    while ((step = sqlite3_step(fetch)) == SQLITE_ROW)
      held[holding++] = sqlite3_column_int64(fetch, 0);
    Check(step, "fetch");
    sqlite3_reset(fetch);
    Run("COMMIT");
  } while (holding > 0);
  const double seconds = Seconds(CLOCK_MONOTONIC) - begin;
  printf("{\"rate\":%.0f,\"cpu_us\":%.3f}\n", (double)done / seconds,
         (Seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / (double)done);
  free(held);
  return done == jobs ? 0 : 1;
}
