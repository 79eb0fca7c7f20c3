// A table over libpq: a transaction in one round trip deletes the batch before and takes the next
// with SKIP LOCKED. ADDRESS is a connection URL.
#include <libpq-fe.h>

#include "loop.h"

static PGresult* Run(PGconn* db, const char* sql) {
  PGresult* result = PQexec(db, sql);
  const ExecStatusType status = PQresultStatus(result);
  Check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, PQerrorMessage(db));
  return result;
}

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  PGconn* db = PQconnectdb(loop.address);
  Check(PQstatus(db) == CONNECTION_OK, "connect");
  PQclear(Run(db,
              "SET client_min_messages = warning; DROP TABLE IF EXISTS loop; "
              "CREATE TABLE loop(id bigserial PRIMARY KEY, task text NOT NULL, payload bytea, "
              "lease_until bigint NOT NULL DEFAULT 0, attempt int NOT NULL DEFAULT 0); "
              "CREATE INDEX ON loop(lease_until, id)"));
  char sql[4096];
  snprintf(sql, sizeof sql,
           "INSERT INTO loop(task, payload) SELECT 'Echo', '%s' FROM generate_series(1, %ld); "
           "ANALYZE loop",
           loop.payload, loop.jobs);
  PQclear(Run(db, sql));
  Begin(&loop);
  char ids[2048] = "0";
  for (long done = 0, holding = 0; done < loop.jobs;) {
    snprintf(
        sql, sizeof sql,
        "DELETE FROM loop WHERE id IN (%s); UPDATE loop SET lease_until = 1, attempt = attempt "
        "+ 1 WHERE id IN (SELECT id FROM loop WHERE lease_until = 0 ORDER BY id LIMIT %d FOR "
        "UPDATE SKIP LOCKED) RETURNING id, payload",
        ids, loop.batch);
    PGresult* result = Run(db, sql);  // several statements at once are one transaction
    done += holding;
    holding = PQntuples(result);
    size_t size = (size_t)snprintf(ids, sizeof ids, "0");
    for (int i = 0; i < holding; ++i)
      size += (size_t)snprintf(ids + size, sizeof ids - size, ",%s", PQgetvalue(result, i, 0));
    PQclear(result);
  }
  const int status = End(&loop);
  PQfinish(db);
  return status;
}
