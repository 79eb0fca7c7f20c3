#include <filesystem>
#include <fstream>
#include <map>
#include <poll.h>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/sqlite_schema.h"
#include "tests/unit/queue/sqlite_fixture.h"

namespace workmand {
namespace {

using Catch::Matchers::Contains;

DriverConfig Config(const std::map<std::string, std::string>& keys) {
  DriverConfig config;
  config.profile_name = "thumbs";
  config.directory = "/etc/jobs";
  config.state_dir = "/var/lib/jobs";
  for (const auto& [key, value] : keys) config.options.extra[key].text = value;
  return config;
}

std::string PathFor(const std::map<std::string, std::string>& keys) {
  return sqlite::MakeSettings(Config(keys)).value().path;
}

bool IsReadable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

TEST_CASE("the file lies in the state folder unless the profile says where", "[queue]") {
  CHECK(PathFor({}) == "/var/lib/jobs/thumbs.db");
  CHECK(PathFor({{"path", "/data/q.db"}}) == "/data/q.db");
  CHECK(PathFor({{"path", "data/q.db"}}) == "/etc/jobs/data/q.db");
  CHECK(PathFor({{"url", "sqlite:///data/q.db"}}) == "/data/q.db");
  CHECK(PathFor({{"url", "sqlite:////q.db"}}) == "/q.db");
  CHECK(PathFor({{"url", "sqlite:///q.db"}}) == "/etc/jobs/q.db");
  CHECK(PathFor({{"url", "sqlite:///./data/q.db"}}) == "/etc/jobs/data/q.db");
}

TEST_CASE("a URL that names no file is refused", "[queue]") {
  for (const char* url : {"sqlite://", "sqlite:///", "sqlite:///data/", "sqlite://host/q.db",
                          "mysql:///q.db", "q.db"}) {
    CAPTURE(url);
    CHECK_FALSE(sqlite::PathOfUrl(url).has_value());
  }
}

TEST_CASE("every wrong key of the profile is reported", "[queue]") {
  CHECK(CheckSqliteOptions(Config({{"synchronous", "normal"}}).options).empty());
  const auto errors = CheckSqliteOptions(
      Config({{"pth", "x"}, {"path", "a"}, {"url", "x:///y"}, {"synchronous", "off"}}).options);
  std::vector<std::string> keys;
  keys.reserve(errors.size());
  for (const QueueKeyError& error : errors) keys.push_back(error.key);
  CHECK_THAT(keys, Catch::Matchers::UnorderedEquals(
                       std::vector<std::string>{"pth", "url", "url", "synchronous"}));
}

TEST_CASE("a driver is made from the keys and a bad key is an error", "[queue]") {
  CHECK(OpenSqlite(Config({}), Role::kProducer).has_value());
  CHECK_FALSE(OpenSqlite(Config({{"synchronous", "off"}}), Role::kProducer).has_value());
  CHECK_FALSE(OpenSqlite(Config({{"path", ""}}), Role::kProducer).has_value());
}

TEST_CASE_METHOD(SqliteFixture, "missing folders are made", "[queue]") {
  settings.path = (folder() / "a" / "b" / "q.db").string();
  auto& queue = Open();
  CHECK_FALSE(queue.Put(Work("x")).empty());
}

TEST_CASE_METHOD(SqliteFixture, "a folder that cannot be made is a lost connection", "[queue]") {
  std::ofstream(folder() / "file") << "x";
  settings.path = (folder() / "file" / "q.db").string();
  CHECK_THROWS_AS(Open(), ConnectionLost);
}

TEST_CASE_METHOD(SqliteFixture, "opening a current file changes nothing in it", "[queue]") {
  Open();
  const std::int64_t schema = Ask("PRAGMA schema_version");
  const std::int64_t version = Ask("PRAGMA user_version");

  Open();

  CHECK(version == sqlite::kSchemaVersion);
  CHECK(Ask("PRAGMA schema_version") == schema);
}

TEST_CASE_METHOD(SqliteFixture, "a file of a newer program is refused by version", "[queue]") {
  Open();
  sqlite::Database({settings.path}).Execute("PRAGMA user_version=99");
  CHECK_THROWS_WITH(Open(), Contains("schema version 99") && Contains("up to 1"));
}

TEST_CASE_METHOD(SqliteFixture, "the database of another program is left alone", "[queue]") {
  sqlite::Database other({settings.path});
  other.Execute("CREATE TABLE theirs(x)");
  CHECK_THROWS_WITH(Open(), Contains("another program"));
  other.Execute("PRAGMA user_version=1");
  CHECK_THROWS_WITH(Open(), Contains("another program"));
  CHECK(Ask("SELECT count(*) FROM sqlite_master") == 1);
}

TEST_CASE_METHOD(SqliteFixture, "a file that is no database is a lost connection", "[queue]") {
  std::ofstream(settings.path) << std::string(10'000, 'x');
  CHECK_THROWS_AS(Open(), ConnectionLost);
  CHECK_THROWS_WITH(Open(), Contains("file is not a database"));
}

TEST_CASE_METHOD(SqliteFixture, "a lock held for too long is a lost connection", "[queue]") {
  auto& queue = Open();
  sqlite::Database other({settings.path});
  sqlite::Transaction lock(other, sqlite::Transaction::Lock::kWrite,
                           sqlite::Transaction::Sync::kDurable);
  CHECK_THROWS_AS(queue.Put(Work("x")), ConnectionLost);
  CHECK_THROWS_WITH(queue.Put(Work("x")), Contains("database is locked"));
  lock.Commit();
  CHECK_FALSE(queue.Put(Work("x")).empty());
}

TEST_CASE_METHOD(SqliteFixture, "an idle consumer needs no lock", "[queue]") {
  auto& queue = Open();
  sqlite::Database other({settings.path});
  const sqlite::Transaction lock(other, sqlite::Transaction::Lock::kWrite,
                                 sqlite::Transaction::Sync::kDurable);
  CHECK(Take(queue).empty());
}

TEST_CASE_METHOD(SqliteFixture, "a full disk is a lost connection and nothing is half done",
                 "[queue]") {
  Open();
  sqlite::Database db({settings.path});
  db.Execute("PRAGMA max_page_count=30; CREATE TABLE filler(x)");
  {
    sqlite::Transaction transaction(db, sqlite::Transaction::Lock::kWrite,
                                    sqlite::Transaction::Sync::kDurable);
    db.Run("INSERT INTO filler VALUES('small')");
    CHECK_THROWS_WITH(db.Run("INSERT INTO filler VALUES(zeroblob(1000000))"),
                      Contains("database or disk is full"));
  }
  CHECK(Ask("SELECT count(*) FROM filler") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "a deleted file is noticed", "[queue]") {
  auto& queue = Open();
  std::filesystem::remove(settings.path);
  CHECK_THROWS_AS(queue.Tick(), ConnectionLost);
  queue.Connect();
  CHECK_FALSE(queue.Put(Work("x")).empty());
}

TEST_CASE_METHOD(SqliteFixture, "an instance that is not connected says so", "[queue]") {
  SqliteQueue queue(settings, Role::kConsumer);
  CHECK_THROWS_WITH(queue.Put(Work("x")), Contains("is not open"));
}

TEST_CASE_METHOD(SqliteFixture, "a commit of another connection shows in the watch", "[queue]") {
  auto& producer = Open(Role::kProducer);
  sqlite::Database db({settings.path});
  const std::int64_t version = db.DataVersion();
  sqlite::WalWatch watch(settings.path);
  CHECK_FALSE(IsReadable(watch.fd()));

  producer.Put(Work("x"));

  CHECK(IsReadable(watch.fd()));
  watch.Drain();
  CHECK_FALSE(IsReadable(watch.fd()));
  CHECK(db.DataVersion() != version);
}

TEST_CASE_METHOD(SqliteFixture, "our own commit does not look like one of another", "[queue]") {
  Open();
  sqlite::Database db({settings.path});
  const std::int64_t version = db.DataVersion();
  db.Run("INSERT INTO held VALUES(1, 1, 1, 1)");
  CHECK(db.DataVersion() == version);
}

TEST_CASE_METHOD(SqliteFixture, "a writer is noticed before its commit is visible", "[queue]") {
  Open();
  sqlite::Database db({settings.path});
  sqlite::Database other({settings.path});
  const std::int64_t version = db.DataVersion();
  sqlite::Transaction writing(other, sqlite::Transaction::Lock::kWrite,
                              sqlite::Transaction::Sync::kRelaxed);
  other.Run("INSERT INTO held VALUES(1, 1, 1, 1)");

  CHECK(db.IsBeingWritten());
  CHECK(db.DataVersion() == version);
  writing.Commit();
  CHECK_FALSE(db.IsBeingWritten());
  CHECK(db.DataVersion() != version);
}

TEST_CASE_METHOD(SqliteFixture, "a journal that is made later is watched too", "[queue]") {
  std::filesystem::create_directories(folder());
  sqlite::WalWatch watch(settings.path);
  auto& producer = Open(Role::kProducer);
  watch.Drain();

  producer.Put(Work("x"));

  CHECK(IsReadable(watch.fd()));
}

}  // namespace
}  // namespace workmand
