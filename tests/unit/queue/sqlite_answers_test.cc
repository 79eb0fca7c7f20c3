#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/queue/sqlite_fixture.h"

namespace workmand {
namespace {

using namespace std::chrono_literals;

TEST_CASE_METHOD(SqliteFixture, "a waiting producer gets the result", "[queue]") {
  auto& producer = Open(Role::kProducer);
  auto& consumer = Open();
  const std::string id = producer.Put(ForegroundWork());
  const Job job = Take(consumer).at(0);
  CHECK(job.wants_result);
  CHECK(Collect(producer).empty());

  Done(consumer, job, "42");
  const auto replies = Collect(producer);

  REQUIRE(replies.size() == 1);
  CHECK(replies[0].id == id);
  CHECK(replies[0].state == Reply::State::kDone);
  CHECK(replies[0].bytes == "42");
  CHECK(Collect(producer).empty());
  CHECK(Ask("SELECT count(*) FROM answers") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "only the last failure is told", "[queue]") {
  auto& producer = Open(Role::kProducer);
  auto& consumer = Open();
  producer.Put(ForegroundWork());

  FailAndRetry(consumer, Take(consumer).at(0), 0s);
  Apply(consumer, Settlement(Take(consumer).at(0), Update::Kind::kAbort));
  CHECK(Collect(producer).empty());
  FailForGood(consumer, Take(consumer).at(0), R"({"message":"no"})");
  const auto replies = Collect(producer);

  REQUIRE(replies.size() == 1);
  CHECK(replies[0].state == Reply::State::kFailed);
  CHECK(replies[0].bytes == R"({"message":"no"})");
}

TEST_CASE_METHOD(SqliteFixture, "results of jobs that nobody waits for are not stored", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job job = Take(queue).at(0);
  CHECK_FALSE(job.wants_result);

  Done(queue, job, "result");

  CHECK(Ask("SELECT count(*) FROM answers") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "two who wait for one unique key get the same result", "[queue]") {
  auto& first = Open(Role::kProducer);
  auto& second = Open(Role::kProducer);
  auto& consumer = Open();
  Enqueue job = ForegroundWork();
  job.unique = "k";
  const std::string id = first.Put(job);
  const Job held = Take(consumer).at(0);
  CHECK(second.Put(job) == id);
  CHECK(second.Put(job) == id);

  Done(consumer, held, "7");

  CHECK(Collect(first).at(0).bytes == "7");
  CHECK(Ask("SELECT count(*) FROM answers") == 1);
  const auto replies = Collect(second);
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].bytes == "7");
  CHECK(Ask("SELECT count(*) FROM answers") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "a caller may come to wait while the job runs", "[queue]") {
  auto& producer = Open(Role::kProducer);
  auto& consumer = Open();
  producer.Put(UniqueWork("k"));
  const Job job = Take(consumer).at(0);
  CHECK(job.wants_result);
  Enqueue again = ForegroundWork();
  again.unique = "k";
  producer.Put(again);

  Done(consumer, job, "late");

  CHECK(Collect(producer).at(0).bytes == "late");
}

TEST_CASE_METHOD(SqliteFixture, "results of others stay for them", "[queue]") {
  auto& first = Open(Role::kProducer);
  auto& second = Open(Role::kProducer);
  auto& consumer = Open();
  first.Put(ForegroundWork("a"));
  second.Put(ForegroundWork("b"));
  for (const Job& job : Take(consumer)) Done(consumer, job, job.payload);

  CHECK(Collect(first).at(0).bytes == "a");
  CHECK(Collect(second).at(0).bytes == "b");
}

TEST_CASE_METHOD(SqliteFixture, "progress and data come in order and before the result",
                 "[queue]") {
  auto& producer = Open(Role::kProducer);
  auto& consumer = Open();
  const std::string id = producer.Put(ForegroundWork());
  const Job job = Take(consumer).at(0);
  Update progress = Settlement(job, Update::Kind::kProgress);
  progress.numerator = 1;
  progress.denominator = 4;
  std::vector<ProgressNote> notes;

  CHECK(Apply(consumer, progress) == Applied::kOk);
  CHECK(Collect(producer).empty());
  CHECK(Apply(consumer, Settlement(job, Update::Kind::kData, "part")) == Applied::kOk);
  Done(consumer, job, "all");
  CHECK(Collect(producer).at(0).bytes == "all");
  producer.TakeProgress(notes);

  REQUIRE(notes.size() == 2);
  CHECK(notes[0].id == id);
  CHECK(notes[0].kind == Update::Kind::kProgress);
  CHECK(notes[0].numerator == 1);
  CHECK(notes[0].denominator == 4);
  CHECK(notes[1].kind == Update::Kind::kData);
  CHECK(notes[1].bytes == "part");
  CHECK(Ask("SELECT count(*) FROM answers") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "progress of a lost job is lost", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job job = Take(queue).at(0);

  CHECK(Apply(queue, Settlement(job, Update::Kind::kProgress)) == Applied::kOk);
  Done(queue, job);
  CHECK(Apply(queue, Settlement(job, Update::Kind::kProgress)) == Applied::kLost);
  CHECK(Ask("SELECT count(*) FROM answers") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "a result that nobody collects is swept after its time",
                 "[queue]") {
  auto& consumer = Open();
  Open(Role::kProducer).Put(ForegroundWork());
  CHECK(Done(consumer, Take(consumer).at(0), "x") == Applied::kOk);

  consumer.Tick();
  CHECK(Ask("SELECT count(*) FROM answers") == 1);
  now += settings.result_ttl;
  consumer.Tick();
  CHECK(Ask("SELECT count(*) FROM answers") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "a producer that reconnects still gets its result", "[queue]") {
  auto& producer = Open(Role::kProducer);
  auto& consumer = Open();
  producer.Put(ForegroundWork());
  producer.Disconnect();
  Done(consumer, Take(consumer).at(0), "x");

  producer.Connect();

  CHECK(Collect(producer).at(0).bytes == "x");
}

}  // namespace
}  // namespace workmand
