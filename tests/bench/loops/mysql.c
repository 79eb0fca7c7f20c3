// A table over libmariadb: a transaction deletes the batch before and takes the next with SKIP
// LOCKED, in two round trips, since MariaDB's UPDATE returns no rows. ADDRESS is a port.
#include <mysql.h>

#include "loop.h"

static MYSQL* db;

static void Run(const char* sql) {
  Check(mysql_query(db, sql) == 0, mysql_error(db));
  do {
    mysql_free_result(mysql_store_result(db));
  } while (mysql_next_result(db) == 0);
}

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  db = mysql_init(NULL);
  Check(mysql_real_connect(db, "127.0.0.1", "wm", "secret", "wm", (unsigned)atoi(loop.address),
                           NULL, CLIENT_MULTI_STATEMENTS) != NULL,
        mysql_error(db));
  char sql[4096];
  Run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; DROP TABLE IF EXISTS bare; CREATE "
      "TABLE bare(id bigint AUTO_INCREMENT PRIMARY KEY, "
      "task varchar(100) NOT NULL, payload blob, lease_until bigint NOT NULL DEFAULT 0, attempt "
      "int "
      "NOT NULL DEFAULT 0, KEY(lease_until, id))");
  snprintf(sql, sizeof sql, "INSERT INTO bare(task, payload) SELECT 'Echo', '%s' FROM seq_1_to_%ld",
           loop.payload, loop.jobs);
  Run(sql);
  Begin(&loop);
  char ids[2048] = "0";
  for (long done = 0, holding = 0; done < loop.jobs;) {
    snprintf(sql, sizeof sql,
             "START TRANSACTION; DELETE FROM bare WHERE id IN (%s); SELECT id, payload FROM bare "
             "WHERE lease_until = 0 ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED",
             ids, loop.batch);
    Check(mysql_query(db, sql) == 0, mysql_error(db));
    done += holding;
    holding = 0;
    size_t size = (size_t)snprintf(ids, sizeof ids, "0");
    do {
      MYSQL_RES* result = mysql_store_result(db);
      for (MYSQL_ROW row = NULL; result != NULL && (row = mysql_fetch_row(result)) != NULL;
           ++holding)
        size += (size_t)snprintf(ids + size, sizeof ids - size, ",%s", row[0]);
      mysql_free_result(result);
    } while (mysql_next_result(db) == 0);
    snprintf(sql, sizeof sql,
             "UPDATE bare SET lease_until = 1, attempt = attempt + 1 WHERE id IN (%s); COMMIT",
             ids);
    Run(sql);
  }
  const int status = End(&loop);
  mysql_close(db);
  return status;
}
