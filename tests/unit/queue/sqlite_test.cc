#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/queue/sqlite_fixture.h"

namespace workmand {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

TEST_CASE_METHOD(SqliteFixture, "a job comes out of the file as it went in", "[queue]") {
  auto& producer = Open(Role::kProducer);
  auto& consumer = Open();
  Enqueue job = Work(std::string("\0\xff\n{\"a\":1}", 10));
  job.unique = "key";
  job.priority = Priority::kHigh;
  job.max_attempts = 7;

  const std::string id = producer.Put(job);
  const std::vector<Job> got = Take(consumer);

  REQUIRE(got.size() == 1);
  CHECK(got[0].id == id);
  CHECK(got[0].task == "T");
  CHECK(got[0].payload == job.payload);
  CHECK(got[0].unique == "key");
  CHECK(got[0].priority == Priority::kHigh);
  CHECK(got[0].attempt == 1);
  CHECK(got[0].deliveries == 1);
  CHECK(got[0].max_attempts == 7);
  CHECK(got[0].enqueued_at_ms == now.time_since_epoch().count());
}

TEST_CASE_METHOD(SqliteFixture, "an empty payload and a strange task name are kept", "[queue]") {
  auto& queue = Open();
  const std::string name = "a:b \xc3\xa9\n" + std::string(200, 'x');
  Serve(queue, {name});

  queue.Put(Work("", name));
  const auto got = Take(queue);

  REQUIRE(got.size() == 1);
  CHECK(got[0].task == name);
  CHECK(got[0].payload.empty());
}

TEST_CASE_METHOD(SqliteFixture, "a job that can never run is rejected and harms nothing",
                 "[queue]") {
  settings.max_row = 100'000;
  auto& queue = Open();

  CHECK_THROWS_AS(queue.Put(Work("x", "")), Rejected);
  CHECK_THROWS_AS(queue.Put(Work("x", "*")), Rejected);
  CHECK_THROWS_AS(queue.Put(Work(std::string(100'001, 'x'))), Rejected);

  queue.Put(Work("good"));
  CHECK(TakePayloads(queue) == Strings{"good"});
}

TEST_CASE_METHOD(SqliteFixture, "of a batch only the bad jobs are refused", "[queue]") {
  settings.max_row = 100'000;
  auto& queue = Open();
  const std::vector<Enqueue> jobs{Work("a"), Work("b", ""), Work(std::string(100'001, 'x')),
                                  Work("c")};
  Strings ids;
  Strings why;

  queue.PutMany(jobs, ids, why);

  REQUIRE(ids.size() == 4);
  CHECK((!ids[0].empty() && why[0].empty()));
  CHECK((ids[1].empty() && why[1] == "a job needs the name of a task"));
  CHECK((ids[2].empty() && !why[2].empty()));
  CHECK(TakePayloads(queue) == Strings{"a", "c"});
}

TEST_CASE_METHOD(SqliteFixture, "high before low and otherwise first in first out", "[queue]") {
  auto& queue = Open();
  for (const auto& [payload, priority] : {std::pair{"low", Priority::kLow},
                                          {"first", Priority::kNormal},
                                          {"high", Priority::kHigh},
                                          {"second", Priority::kNormal}}) {
    Enqueue job = Work(payload);
    job.priority = priority;
    queue.Put(job);
  }

  CHECK(TakePayloads(queue, 3) == Strings{"high", "first", "second"});
  CHECK(TakePayloads(queue, 3) == Strings{"low"});
}

TEST_CASE_METHOD(SqliteFixture, "a backlog of one task does not delay another", "[queue]") {
  auto& queue = Open();
  Serve(queue, {"Big", "Small"});
  for (int i = 0; i < 100; ++i) queue.Put(Work("big", "Big"));
  queue.Put(Work("small", "Small"));

  const Strings batch = TakePayloads(queue, 2);

  CHECK(batch == Strings{"big", "small"});
}

TEST_CASE_METHOD(SqliteFixture, "tasks take turns also when jobs are taken one by one", "[queue]") {
  auto& queue = Open();
  Serve(queue, {"A", "B"});
  for (const char* task : {"A", "A", "B", "B"}) queue.Put(Work(task, task));

  Strings order;
  for (int i = 0; i < 4; ++i) order.push_back(TakePayloads(queue, 1).at(0));

  CHECK(order == Strings{"A", "B", "A", "B"});
}

TEST_CASE_METHOD(SqliteFixture, "only jobs of registered tasks are handed out", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("other", "Other"));
  queue.Put(Work("ours"));

  CHECK(TakePayloads(queue) == Strings{"ours"});
  Serve(queue, {"Other", "Other"});
  queue.Put(Work("late"));
  CHECK(TakePayloads(queue) == Strings{"other"});
  Serve(queue, {});
  CHECK(Take(queue).empty());
}

TEST_CASE_METHOD(SqliteFixture, "a star stands for every task there is", "[queue]") {
  auto& queue = Open();
  Serve(queue, {"*"});
  queue.Put(Work("1", "A"));
  queue.Put(Work("2", "B"));

  CHECK(TakePayloads(queue).size() == 2);
  queue.Put(Work("3", "C"));
  CHECK(TakePayloads(queue) == Strings{"3"});
}

TEST_CASE_METHOD(SqliteFixture, "the set of tasks survives a reconnect", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));

  queue.Disconnect();
  queue.Connect();

  CHECK(TakePayloads(queue) == Strings{"x"});
}

TEST_CASE_METHOD(SqliteFixture, "asking for no job gives none", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  CHECK(Take(queue, 0).empty());
}

TEST_CASE_METHOD(SqliteFixture, "a delayed job comes when it is due and not before", "[queue]") {
  auto& queue = Open();
  Enqueue job = Work("later");
  job.delay = 5s;
  queue.Put(job);

  now += 4'999ms;
  CHECK(Take(queue).empty());
  now += 1ms;
  CHECK(TakePayloads(queue) == Strings{"later"});
}

TEST_CASE_METHOD(SqliteFixture, "a delay without end does not overflow", "[queue]") {
  auto& queue = Open();
  Enqueue job = Work("never");
  job.delay = kInfinite;
  queue.Put(job);

  now += std::chrono::hours(24 * 365);
  CHECK(Take(queue).empty());
  CHECK(queue.Size("") == 1);
}

TEST_CASE_METHOD(SqliteFixture, "more jobs than one portion fall due together", "[queue]") {
  auto& queue = Open();
  std::vector<Enqueue> jobs(2'500, Work("x"));
  for (Enqueue& job : jobs) job.delay = 1s;
  Strings ids;
  Strings why;
  queue.PutMany(jobs, ids, why);

  now += 1s;
  std::size_t got = 0;
  for (int i = 0; i < 5; ++i) got += Take(queue, 1'000).size();

  CHECK(got == jobs.size());
}

TEST_CASE_METHOD(SqliteFixture, "a unique key is one job until that job is settled", "[queue]") {
  auto& queue = Open();
  const std::string id = queue.Put(UniqueWork("k", "first"));

  CHECK(queue.Put(UniqueWork("k", "second")) == id);
  const auto got = Take(queue);
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "first");
  CHECK(queue.Put(UniqueWork("k")) == id);
  Done(queue, got[0]);
  CHECK(queue.Put(UniqueWork("k")) != id);
}

TEST_CASE_METHOD(SqliteFixture, "a unique key belongs to its task", "[queue]") {
  auto& queue = Open();
  Enqueue other = UniqueWork("k");
  other.task = "Other";
  CHECK(queue.Put(UniqueWork("k")) != queue.Put(other));
  CHECK(queue.Put(Work("same")) != queue.Put(Work("same")));
}

TEST_CASE_METHOD(SqliteFixture, "waiting jobs are counted and held ones are not", "[queue]") {
  auto& queue = Open();
  Enqueue later = Work("later");
  later.delay = 1h;
  queue.Put(later);
  queue.Put(Work("a"));
  queue.Put(Work("b"));
  queue.Put(Work("c", "Other"));

  CHECK(queue.Size("") == 4);
  CHECK(queue.Size("T") == 3);
  Take(queue);
  CHECK(queue.Size("T") == 1);
  CHECK(queue.Size("Nobody") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "the age of the oldest waiting job is known", "[queue]") {
  auto& queue = Open();
  CHECK_FALSE(queue.OldestMs().has_value());
  Enqueue low = Work("a", "Z");
  low.priority = Priority::kLow;
  queue.Put(low);
  now += 2s;
  queue.Put(Work("b", "A"));

  now += 3s;

  CHECK(queue.OldestMs() == 5'000);
}

TEST_CASE_METHOD(SqliteFixture, "an id is never given twice", "[queue]") {
  auto& queue = Open();
  const std::string first = queue.Put(Work("a"));
  Done(queue, Take(queue).at(0));

  CHECK(queue.Put(Work("b")) != first);
}

TEST_CASE_METHOD(SqliteFixture, "a woken consumer returns at once and loses nothing", "[queue]") {
  auto& queue = Open();
  waker.Wake();
  std::vector<Job> jobs;

  queue.Dequeue(jobs, 1, kInfinite, waker);
  CHECK(jobs.empty());
  queue.Put(Work("x"));
  queue.Dequeue(jobs, 1, kInfinite, waker);
  CHECK(jobs.size() == 1);
}

}  // namespace
}  // namespace workmand
