#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/queue/drivers/sqlite_dead.h"
#include "tests/unit/queue/sqlite_fixture.h"

namespace workmand {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

TEST_CASE_METHOD(SqliteFixture, "a settled job is gone and its token with it", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job job = Take(queue).at(0);

  CHECK(Done(queue, job) == Applied::kOk);
  CHECK(Done(queue, job) == Applied::kLost);
  CHECK(FailForGood(queue, job) == Applied::kLost);
  CHECK(Ask("SELECT count(*) FROM jobs") == 0);
  CHECK(Ask("SELECT count(*) FROM held") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "an unknown token is lost and harms nothing", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job real = Take(queue).at(0);
  Job unknown = real;
  unknown.token.value += 1;

  CHECK(Done(queue, unknown) == Applied::kLost);
  CHECK(Done(queue, real) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "a failed job comes back after its delay as the next attempt",
                 "[queue]") {
  auto& queue = Open();
  const std::string id = queue.Put(Work("x"));

  FailAndRetry(queue, Take(queue).at(0), 10s);
  CHECK(Take(queue).empty());
  now += 10s;
  const auto again = Take(queue);

  REQUIRE(again.size() == 1);
  CHECK(again[0].id == id);
  CHECK(again[0].attempt == 2);
  CHECK(again[0].deliveries == 2);
}

TEST_CASE_METHOD(SqliteFixture, "an abort counts as a delivery and not as an attempt", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  Update abort = Settlement(Take(queue).at(0), Update::Kind::kAbort);
  abort.delay = 3s;

  CHECK(Apply(queue, abort) == Applied::kOk);
  CHECK(Take(queue).empty());
  now += 3s;
  const Job again = Take(queue).at(0);

  CHECK(again.attempt == 1);
  CHECK(again.deliveries == 2);
}

TEST_CASE_METHOD(SqliteFixture, "a job that never reached a worker was not delivered", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job first = Take(queue).at(0);
  Update abort = Settlement(first, Update::Kind::kAbort);
  abort.never_ran = true;

  Apply(queue, abort);
  const Job again = Take(queue).at(0);

  CHECK(again.deliveries == 1);
  CHECK(Done(queue, first) == Applied::kLost);
  CHECK(Done(queue, again) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "the updates of one batch are applied each on its own", "[queue]") {
  auto& queue = Open();
  for (const char* payload : {"done", "fail", "abort", "extend"}) queue.Put(Work(payload));
  const auto jobs = Take(queue);
  std::vector<Update> updates{Settlement(jobs.at(0), Update::Kind::kDone),
                              Settlement(jobs.at(1), Update::Kind::kFail, "{}"),
                              Settlement(jobs.at(2), Update::Kind::kAbort),
                              Settlement(jobs.at(3), Update::Kind::kExtend),
                              Settlement(jobs.at(0), Update::Kind::kDone)};
  updates[3].delay = 60s;
  std::vector<Applied> answers(updates.size());

  queue.Apply(updates, answers);

  CHECK(answers == std::vector<Applied>{Applied::kOk, Applied::kOk, Applied::kOk, Applied::kOk,
                                        Applied::kLost});
  CHECK(TakePayloads(queue) == Strings{"abort"});
  CHECK(queue.DeadLetters(9).size() == 1);
}

TEST_CASE_METHOD(SqliteFixture, "follow-ups go in with the settlement", "[queue]") {
  auto& queue = Open();
  queue.Put(UniqueWork("k", "parent"));
  Update done = Settlement(Take(queue).at(0), Update::Kind::kDone);
  done.enqueue = {UniqueWork("k", "child"), Work("other")};

  CHECK(Apply(queue, done) == Applied::kOk);
  CHECK(TakePayloads(queue) == Strings{"child", "other"});
}

TEST_CASE_METHOD(SqliteFixture, "follow-ups of a lost settlement are not put", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("parent"));
  Update done = Settlement(Take(queue).at(0), Update::Kind::kDone);
  Apply(queue, done);
  done.enqueue = {Work("child")};

  CHECK(Apply(queue, done) == Applied::kLost);
  CHECK(Take(queue).empty());
}

TEST_CASE_METHOD(SqliteFixture, "a refused follow-up leaves the job as it was", "[queue]") {
  settings.max_row = 100'000;
  auto& queue = Open();
  queue.Put(Work("parent"));
  const Job job = Take(queue).at(0);
  Update done = Settlement(job, Update::Kind::kDone);

  done.enqueue = {Work("child"), Work("nameless", "")};
  CHECK(Apply(queue, done) == Applied::kRefused);
  done.enqueue = {Work("child"), Work(std::string(100'001, 'x'))};
  CHECK(Apply(queue, done) == Applied::kRefused);

  CHECK(Take(queue).empty());
  CHECK(Done(queue, job) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "a job that failed for good is a dead letter with its error",
                 "[queue]") {
  auto& queue = Open();
  const std::string id = queue.Put(Work("payload"));
  FailAndRetry(queue, Take(queue).at(0), 0s);
  now += 1s;

  FailForGood(queue, Take(queue).at(0), R"({"message":"no \u0000 disk"})");
  const auto letters = queue.DeadLetters(10);

  CHECK(Take(queue).empty());
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].id == id);
  CHECK(letters[0].task == "T");
  CHECK(letters[0].payload == "payload");
  CHECK(letters[0].error == R"({"message":"no \u0000 disk"})");
  CHECK(letters[0].attempts == 2);
  CHECK(letters[0].deliveries == 2);
  CHECK(letters[0].failed_at_ms == now.time_since_epoch().count());
}

TEST_CASE_METHOD(SqliteFixture, "dead letters are listed with the newest first", "[queue]") {
  auto& queue = Open();
  for (const char* payload : {"a", "b", "c"}) {
    queue.Put(Work(payload));
    FailForGood(queue, Take(queue).at(0));
    now += 1s;
  }

  const auto letters = queue.DeadLetters(2);

  REQUIRE(letters.size() == 2);
  CHECK(letters[0].payload == "c");
  CHECK(letters[1].payload == "b");
}

TEST_CASE_METHOD(SqliteFixture, "a retried dead letter is as new and keeps its id", "[queue]") {
  auto& queue = Open();
  Enqueue job = UniqueWork("k", "x");
  job.priority = Priority::kHigh;
  job.max_attempts = 4;
  const std::string id = queue.Put(job);
  const Job before = Take(queue).at(0);
  FailForGood(queue, before);

  CHECK(queue.RetryDead(id));
  const Job again = Take(queue).at(0);

  CHECK(again.id == id);
  CHECK(again.attempt == 1);
  CHECK(again.deliveries == 1);
  CHECK(again.priority == Priority::kHigh);
  CHECK(again.max_attempts == 4);
  CHECK(again.unique == "k");
  CHECK(queue.DeadLetters(1).empty());
  CHECK(Done(queue, before) == Applied::kLost);
  CHECK(Done(queue, again) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "a dead letter stays dead while another job has its unique key",
                 "[queue]") {
  auto& queue = Open();
  const std::string id = queue.Put(UniqueWork("k"));
  FailForGood(queue, Take(queue).at(0));
  queue.Put(UniqueWork("k"));

  CHECK_THROWS_AS(queue.RetryDead(id), Rejected);
  CHECK(queue.DeadLetters(1).size() == 1);
}

TEST_CASE_METHOD(SqliteFixture, "a dead letter can be shown and dropped by its id", "[queue]") {
  auto& queue = Open();
  const std::string id = queue.Put(Work("x"));
  FailForGood(queue, Take(queue).at(0));
  sqlite::Database db({settings.path});

  CHECK(sqlite::FindDead(db, id).value_or(DeadLetter{}).payload == "x");
  CHECK_FALSE(sqlite::FindDead(db, "12345"));
  CHECK_FALSE(queue.DropDead("12345"));
  CHECK_FALSE(queue.DropDead("x1"));
  CHECK_FALSE(queue.RetryDead("1 "));
  CHECK(queue.DropDead(id));
  CHECK_FALSE(queue.DropDead(id));
}

TEST_CASE_METHOD(SqliteFixture, "dead letters are kept for their time", "[queue]") {
  settings.dead_letter_retention = 100s;
  auto& queue = Open();
  queue.Put(Work("x"));
  FailForGood(queue, Take(queue).at(0));

  now += 99s;
  queue.Tick();
  CHECK(queue.DeadLetters(1).size() == 1);
  now += 1s;
  queue.Tick();
  CHECK(queue.DeadLetters(1).empty());
}

}  // namespace
}  // namespace workmand
