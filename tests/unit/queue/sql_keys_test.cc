#include <string>

#include <catch2/catch.hpp>

#include "daemon/queue/drivers/mysql_url.h"
#include "daemon/queue/drivers/sql_jobs.h"

using namespace workmand;  // NOLINT(google-build-using-namespace)

TEST_CASE("a mysql url is taken apart", "[queue]") {
  const auto server = sql::ParseMysqlUrl("mysql://ann:p%40ss%2Fw@db.example.org:3307/app");

  REQUIRE(server);
  CHECK(server->host == "db.example.org");
  CHECK(server->port == 3307);
  CHECK(server->user == "ann");
  CHECK(server->password == "p@ss/w");
  CHECK(server->database == "app");
}

TEST_CASE("a mysql url may name a socket instead of a host", "[queue]") {
  const auto server = sql::ParseMysqlUrl("mysql://ann@/app?socket=/run/mysqld/mysqld.sock");

  REQUIRE(server);
  CHECK(server->host.empty());
  CHECK(server->socket == "/run/mysqld/mysqld.sock");
}

TEST_CASE("a bad mysql url is refused without its password", "[queue]") {
  for (const char* url :
       {"", "mysql://", "mysql://ann:secret@h", "mysql://ann:secret@h/", "mysql://ann:secret@h/a/b",
        "mysql://ann:secret@/app", "mysql://ann:secret@h,i/app", "mysql://ann:secret@h/app?tls=1",
        "redis://ann:secret@h/app"}) {
    const auto server = sql::ParseMysqlUrl(url);
    REQUIRE_FALSE(server);
    CHECK(server.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("a name of a table is plain or has a schema before it", "[queue]") {
  for (const char* name : {"jobs", "_j", "App.jobs_2"}) CHECK(sql::IsTableName(name));
  for (const char* name : {"", "2jobs", "a-b", "a.b.c", "a.", ".b", "jobs; DROP TABLE x",
                           "a234567890123456789012345678901234567890x"}) {
    CHECK_FALSE(sql::IsTableName(name));
  }
}

TEST_CASE("a token holds the row and the delivery", "[queue]") {
  const sql::Hold hold = sql::HoldOf(sql::TokenOf({123'456'789'012, 1'048'575}));

  CHECK(hold.id == 123'456'789'012);
  CHECK(hold.fence == 1'048'575);
}
