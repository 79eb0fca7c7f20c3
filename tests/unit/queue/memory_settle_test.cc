#include <catch2/catch.hpp>

#include "tests/unit/queue/memory_fixture.h"

namespace workmand {
namespace {

TEST_CASE("a second settlement of one token is lost", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "x");
  const Token token = fixture.Take(1)[0].token;

  CHECK(fixture.Apply(Settle(token, Update::Kind::kDone)) == Applied::kOk);
  CHECK(fixture.Apply(Settle(token, Update::Kind::kDone)) == Applied::kLost);
  CHECK(fixture.store.Size("") == 0);
}

TEST_CASE("a token is dead though its place is used again", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "x");
  const Token old = fixture.Take(1)[0].token;
  fixture.Apply(Settle(old, Update::Kind::kDone));
  fixture.Put("a", "y");
  const Token young = fixture.Take(1)[0].token;

  CHECK(fixture.Apply(Settle(old, Update::Kind::kDone)) == Applied::kLost);
  CHECK(fixture.Apply(Settle(young, Update::Kind::kDone)) == Applied::kOk);
}

TEST_CASE("a job that never reached a worker is given back as if not handed out", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "x");
  Update back = Settle(fixture.Take(1)[0].token, Update::Kind::kAbort);
  back.never_ran = true;
  fixture.Apply(back);

  const auto again = fixture.Take(1);

  REQUIRE(again.size() == 1);
  CHECK(again[0].deliveries == 1);
}

TEST_CASE("a failure with retry comes back after its delay as the next attempt", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "x");
  Update fail = Settle(fixture.Take(1)[0].token, Update::Kind::kFail);
  fail.retry = true;
  fail.delay = Duration{500};
  fixture.Apply(fail);

  CHECK(fixture.Take(1, Duration{499}).empty());
  const auto again = fixture.Take(1, Duration{500});
  REQUIRE(again.size() == 1);
  CHECK(again[0].attempt == 2);
  CHECK(again[0].deliveries == 2);
}

TEST_CASE("an aborted job keeps its attempt and its place in the line", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "1");
  fixture.Put("a", "2");
  fixture.Apply(Settle(fixture.Take(1)[0].token, Update::Kind::kAbort));

  const auto again = fixture.Take(2);

  CHECK(Payloads(again) == "12");
  CHECK(again[0].attempt == 1);
  CHECK(again[0].deliveries == 2);
}

TEST_CASE("a failure without retry goes to the dead letters", "[queue]") {
  MemoryFixture fixture;
  const std::string id = fixture.Put("a", "x");
  Update fail = Settle(fixture.Take(1)[0].token, Update::Kind::kFail);
  fail.bytes = R"({"message":"no"})";
  fixture.Apply(fail, Duration{5});

  const auto letters = fixture.store.DeadLetters(10);

  REQUIRE(letters.size() == 1);
  CHECK(letters[0].id == id);
  CHECK(letters[0].payload == "x");
  CHECK(letters[0].error == fail.bytes);
  CHECK(letters[0].attempts == 1);
  CHECK(letters[0].failed_at_ms == 1'000'005);
  CHECK(fixture.Take(1).empty());
}

TEST_CASE("a dead job that is retried starts as new under its old id", "[queue]") {
  MemoryFixture fixture;
  const std::string id = fixture.Put("a", "x");
  fixture.Apply(Settle(fixture.Take(1)[0].token, Update::Kind::kFail));

  CHECK(fixture.store.RetryDead(id, kT0));
  CHECK_FALSE(fixture.store.RetryDead(id, kT0));
  const auto again = fixture.Take(1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].id == id);
  CHECK(again[0].attempt == 1);
  CHECK(again[0].payload == "x");
}

TEST_CASE("dead letters go when they are old or dropped", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "1");
  const std::string second = fixture.Put("a", "2");
  for (const Job& job : fixture.Take(2)) fixture.Apply(Settle(job.token, Update::Kind::kFail));

  CHECK(fixture.store.DropDead(second));
  CHECK_FALSE(fixture.store.DropDead(second));
  CHECK(fixture.store.DeadLetters(10).size() == 1);
  fixture.store.Tick(At(Duration{1'000}), Duration{1'000});
  CHECK(fixture.store.DeadLetters(10).size() == 1);
  fixture.store.Tick(At(Duration{1'001}), Duration{1'000});
  CHECK(fixture.store.DeadLetters(10).empty());
}

TEST_CASE("in memory a late done on an expired lease is lost", "[queue]") {
  MemoryFixture fixture;
  fixture.consumer.lease = Duration{1'000};
  fixture.Put("a", "x");
  const Token token = fixture.Take(1)[0].token;

  CHECK(fixture.Take(1, Duration{999}).empty());
  const auto again = fixture.Take(1, Duration{1'000});
  REQUIRE(again.size() == 1);
  CHECK(again[0].attempt == 1);
  CHECK(again[0].deliveries == 2);
  CHECK(fixture.Apply(Settle(token, Update::Kind::kDone), Duration{1'000}) == Applied::kLost);
  CHECK(fixture.Apply(Settle(again[0].token, Update::Kind::kDone), Duration{1'000}) ==
        Applied::kOk);
}

TEST_CASE("an extended lease lasts longer than its neighbours", "[queue]") {
  MemoryFixture fixture;
  fixture.consumer.lease = Duration{1'000};
  for (const char* payload : {"1", "2", "3"}) fixture.Put("a", payload);
  const auto held = fixture.Take(3);
  Update extend = Settle(held[1].token, Update::Kind::kExtend);
  extend.delay = Duration{1'000};
  CHECK(fixture.Apply(extend, Duration{500}) == Applied::kOk);
  extend.token = held[2].token;
  extend.delay = Duration{100};
  CHECK(fixture.Apply(extend, Duration{500}) == Applied::kOk);

  CHECK(Payloads(fixture.Take(3, Duration{600})) == "3");
  CHECK(Payloads(fixture.Take(3, Duration{1'000})) == "1");
  CHECK(fixture.Apply(Settle(held[1].token, Update::Kind::kDone), Duration{1'400}) == Applied::kOk);
}

TEST_CASE("a consumer that leaves gives all it held back in order", "[queue]") {
  MemoryFixture fixture;
  for (const char* payload : {"1", "2", "3"}) fixture.Put("a", payload);
  const auto held = fixture.Take(2);
  REQUIRE(held.size() == 2);

  fixture.store.Leave(fixture.consumer);
  fixture.store.Enter(fixture.consumer);

  CHECK(fixture.Apply(Settle(held[0].token, Update::Kind::kDone)) == Applied::kLost);
  CHECK(Payloads(fixture.Take(3)) == "123");
}

TEST_CASE("a follow-up with the unique key of its own job is new work", "[queue]") {
  MemoryFixture fixture;
  Enqueue job;
  job.task = "a";
  job.unique = "k";
  const std::string id = fixture.Put(job);
  Update done = Settle(fixture.Take(1)[0].token, Update::Kind::kDone);
  done.enqueue.push_back(job);

  CHECK(fixture.Apply(done) == Applied::kOk);
  const auto next = fixture.Take(1);
  REQUIRE(next.size() == 1);
  CHECK(next[0].id != id);
}

TEST_CASE("a refused follow-up leaves the settlement unmade", "[queue]") {
  MemoryFixture fixture;
  fixture.Put("a", "x");
  Update done = Settle(fixture.Take(1)[0].token, Update::Kind::kDone);
  done.enqueue.emplace_back();

  CHECK(fixture.Apply(done) == Applied::kRefused);
  done.enqueue.clear();
  CHECK(fixture.Apply(done) == Applied::kOk);
}

}  // namespace
}  // namespace workmand
