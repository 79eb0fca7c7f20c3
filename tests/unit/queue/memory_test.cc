#include <array>

#include <catch2/catch.hpp>

#include "tests/unit/queue/memory_fixture.h"

namespace workmand {
namespace {

TEST_CASE("jobs of one task come in the order they were put", "[queue]") {
  MemoryFixture fixture;
  for (const char* payload : {"1", "2", "3"}) fixture.Put("a", payload);

  CHECK(Payloads(fixture.Take(2)) == "12");
  CHECK(Payloads(fixture.Take(9)) == "3");
}

TEST_CASE("higher priorities come first", "[queue]") {
  MemoryFixture fixture;
  for (const Priority priority : {Priority::kLow, Priority::kHigh, Priority::kNormal}) {
    Enqueue job;
    job.task = "a";
    job.payload = std::to_string(static_cast<int>(priority));
    job.priority = priority;
    fixture.Put(job);
  }

  CHECK(Payloads(fixture.Take(3)) == "210");
}

TEST_CASE("a long line of one task does not starve another", "[queue]") {
  MemoryFixture fixture;
  for (int i = 0; i < 100; ++i) fixture.Put("a", "a");
  fixture.Put("b", "b");

  const std::string first = Payloads(fixture.Take(2));

  CHECK(first.find('b') != std::string::npos);
}

TEST_CASE("a job of a task that is not registered stays", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("c", "x");

  CHECK(fixture.Take(1).empty());
  CHECK(fixture.store.Size("c") == 1);
}

TEST_CASE("the set of all tasks gets tasks that come later", "[queue]") {
  MemoryFixture fixture;
  const std::array<Subscription, 1> all{Subscription{"*"}};
  fixture.store.Subscribe(fixture.consumer, all);
  fixture.Put("new", "x");

  CHECK(fixture.Take(1).size() == 1);
}

TEST_CASE("the same unique key is the same job until it has ended", "[queue]") {
  MemoryFixture fixture;
  Enqueue job;
  job.task = "a";
  job.unique = "k";
  const std::string id = fixture.Put(job);

  CHECK(fixture.Put(job) == id);
  job.task = "b";
  CHECK(fixture.Put(job) != id);
  job.task = "a";
  const auto taken = fixture.Take(9);
  REQUIRE(taken.size() == 2);
  CHECK(fixture.Put(job) == id);
  for (const Job& held : taken) fixture.Apply(Settle(held.token, Update::Kind::kDone));
  CHECK(fixture.Put(job) != id);
}

TEST_CASE("every caller of one unique key gets the result", "[queue]") {
  MemoryFixture fixture;
  MemoryStore::Session other;
  fixture.store.Enter(other);
  Enqueue job;
  job.task = "a";
  job.unique = "k";
  job.foreground = true;
  const std::string id = fixture.Put(job);
  CHECK(fixture.store.Put(other, job, At(Duration{0})) == id);
  const Job taken = fixture.Take(1)[0];
  CHECK(taken.wants_result);
  Update done = Settle(taken.token, Update::Kind::kDone);
  done.bytes = "42";
  fixture.Apply(done);

  for (MemoryStore::Session* caller : {&fixture.producer, &other}) {
    std::vector<Reply> replies;
    REQUIRE(fixture.store.TakeReplies(*caller, replies));
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].id == id);
    CHECK(replies[0].bytes == "42");
  }
  fixture.store.Leave(other);
}

TEST_CASE("a caller that has gone harms nobody", "[queue]") {
  MemoryFixture fixture;
  Enqueue job;
  job.task = "a";
  job.foreground = true;
  fixture.Put(job);
  const Token token = fixture.Take(1)[0].token;
  fixture.store.Leave(fixture.producer);

  CHECK(fixture.Apply(Settle(token, Update::Kind::kProgress)) == Applied::kOk);
  CHECK(fixture.Apply(Settle(token, Update::Kind::kDone)) == Applied::kOk);
}

TEST_CASE("progress reaches the caller in order", "[queue]") {
  MemoryFixture fixture;
  Enqueue job;
  job.task = "a";
  job.foreground = true;
  const std::string id = fixture.Put(job);
  Update progress = Settle(fixture.Take(1)[0].token, Update::Kind::kProgress);
  progress.numerator = 1;
  progress.denominator = 2;
  fixture.Apply(progress);
  Update data = Settle(progress.token, Update::Kind::kData);
  data.bytes = "part";
  fixture.Apply(data);

  std::vector<ProgressNote> notes;
  fixture.store.TakeNotes(fixture.producer, notes);

  REQUIRE(notes.size() == 2);
  CHECK(notes[0].id == id);
  CHECK(notes[0].kind == Update::Kind::kProgress);
  CHECK(notes[0].denominator == 2);
  CHECK(notes[1].bytes == "part");
}

TEST_CASE("a consumer that waits is told when the next job falls due", "[queue]") {
  MemoryFixture fixture;
  Enqueue job;
  job.task = "a";
  job.delay = Duration{300};
  fixture.Put(job);
  std::vector<Job> jobs;

  CHECK(fixture.store.Take(fixture.consumer, 1, jobs, kT0) == kT0 + Duration{300});
  CHECK_FALSE(fixture.consumer.bell.Take());
  fixture.Put("a", "now");
  CHECK(fixture.consumer.bell.Take());
}

TEST_CASE("the bell of a consumer rings for its own tasks only", "[queue]") {
  MemoryFixture fixture;
  CHECK(fixture.Take(1).empty());

  fixture.Put("c", "x");

  CHECK_FALSE(fixture.consumer.bell.Take());
}

TEST_CASE("counts tell what waits and for how long", "[queue]") {
  MemoryFixture fixture;
  CHECK_FALSE(fixture.store.OldestMs(1'000'000));
  fixture.Put("a", "1");
  Enqueue late;
  late.task = "b";
  late.delay = Duration{100};
  fixture.Put(late);

  CHECK(fixture.store.Size("") == 2);
  CHECK(fixture.store.Size("b") == 1);
  CHECK(fixture.store.OldestMs(1'000'250) == 250);
  CHECK(fixture.Take(9, Duration{100}).size() == 2);
  CHECK(fixture.store.Size("") == 0);
}

}  // namespace
}  // namespace workmand
