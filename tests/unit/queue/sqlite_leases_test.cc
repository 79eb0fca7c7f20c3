#include "daemon/queue/drivers/sqlite_leases.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/queue/sqlite_fixture.h"

namespace workmand {
namespace {

using sqlite::Process;
using namespace std::chrono_literals;

/// Makes the only holder in the file look like `process`.
void PretendHolder(const SqliteFixture& fixture, const Process& process) {
  sqlite::Database db({fixture.settings.path});
  db.Run(
      "UPDATE holders SET host = ?1, boot_id = ?2, pid_namespace = ?3, pid = ?4, start_time = ?5",
      process.host, process.boot_id, process.pid_namespace, process.pid, process.start_time);
}

/// This process, but with another start time: its pid was reused, so it is dead.
Process DeadTwin() {
  Process process = sqlite::ThisProcess();
  process.start_time += 1;
  return process;
}

TEST_CASE_METHOD(SqliteFixture, "a late done on an expired lease is lost", "[queue]") {
  auto& first = Open();
  auto& second = Open();
  first.Put(Work("x"));
  const Job late = Take(first).at(0);

  now += settings.lease_time;
  const auto again = Take(second);

  REQUIRE(again.size() == 1);
  CHECK(again[0].id == late.id);
  CHECK(again[0].attempt == 1);
  CHECK(again[0].deliveries == 2);
  CHECK(Done(first, late) == Applied::kLost);
  CHECK(FailForGood(first, late) == Applied::kLost);
  CHECK(Apply(first, Settlement(late, Update::Kind::kExtend)) == Applied::kLost);
  CHECK(Done(second, again[0]) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "a done after the lease counts while nobody else has the job",
                 "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job job = Take(queue).at(0);

  now += settings.lease_time * 2;

  CHECK(Done(queue, job) == Applied::kOk);
  CHECK(Take(queue).empty());
}

TEST_CASE_METHOD(SqliteFixture, "a held job is not handed out again before its lease ends",
                 "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  Take(queue);

  now += settings.lease_time - 1ms;
  CHECK(Take(queue).empty());
  now += 1ms;
  CHECK(Take(queue).size() == 1);
}

TEST_CASE_METHOD(SqliteFixture, "an extended lease keeps the job", "[queue]") {
  auto& queue = Open();
  auto& other = Open();
  queue.Put(Work("x"));
  const Job job = Take(queue).at(0);
  Update extend = Settlement(job, Update::Kind::kExtend);
  extend.delay = settings.lease_time;

  for (int i = 0; i < 4; ++i) {
    now += settings.lease_time / 2;
    CHECK(Apply(queue, extend) == Applied::kOk);
    CHECK(Take(other).empty());
  }

  CHECK(Done(queue, job) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "expired leases end with a tick too", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  Take(queue);

  now += settings.lease_time;
  queue.Tick();

  CHECK(queue.Size("T") == 1);
}

TEST_CASE_METHOD(SqliteFixture, "leases still end when the clock was set back", "[queue]") {
  auto& queue = Open();
  now += 10'000s;
  CHECK(Take(queue).empty());
  now -= 10'000s;
  queue.Put(Work("x"));
  Take(queue);

  now += settings.lease_time;

  CHECK(Take(queue).size() == 1);
}

TEST_CASE_METHOD(SqliteFixture, "a hold survives a reconnect", "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  const Job job = Take(queue).at(0);

  queue.Disconnect();
  queue.Connect();

  CHECK(Take(queue).empty());
  CHECK(Done(queue, job) == Applied::kOk);
}

TEST_CASE_METHOD(SqliteFixture, "what a dead process of this host held is back at once",
                 "[queue]") {
  auto& before = Open();
  before.Put(Work("x"));
  const Job job = Take(before).at(0);
  PretendHolder(*this, DeadTwin());

  auto& after = Open();
  const auto again = Take(after);

  REQUIRE(again.size() == 1);
  CHECK(again[0].attempt == 1);
  CHECK(again[0].deliveries == 2);
  CHECK(Done(before, job) == Applied::kLost);
  CHECK(Ask("SELECT count(*) FROM holders") == 1);
}

TEST_CASE_METHOD(SqliteFixture, "a producer frees nobody", "[queue]") {
  auto& before = Open();
  before.Put(Work("x"));
  Take(before);
  PretendHolder(*this, DeadTwin());

  Open(Role::kProducer);

  CHECK(Ask("SELECT count(*) FROM held") == 1);
}

TEST_CASE_METHOD(SqliteFixture, "what a process of another host holds waits for its lease",
                 "[queue]") {
  auto& before = Open();
  before.Put(Work("x"));
  Take(before);
  Process stranger = DeadTwin();
  stranger.host = "elsewhere";
  PretendHolder(*this, stranger);

  auto& after = Open();

  CHECK(Take(after).empty());
  now += settings.lease_time;
  CHECK(Take(after).size() == 1);
}

TEST_CASE_METHOD(SqliteFixture, "a stranger that holds nothing is forgotten after a day",
                 "[queue]") {
  auto& queue = Open();
  queue.Put(Work("x"));
  Done(queue, Take(queue).at(0));
  Process stranger = DeadTwin();
  stranger.host = "elsewhere";
  PretendHolder(*this, stranger);

  queue.Tick();
  CHECK(Ask("SELECT count(*) FROM holders") == 1);
  now += std::chrono::hours(25);
  queue.Tick();
  CHECK(Ask("SELECT count(*) FROM holders") == 0);
}

TEST_CASE("a process is dead only when that is sure", "[queue]") {
  const Process here = sqlite::ThisProcess();
  REQUIRE_FALSE(here.boot_id.empty());
  REQUIRE(here.start_time > 0);
  CHECK_FALSE(sqlite::IsDead(here, here));
  CHECK(sqlite::IsDead(DeadTwin(), here));

  Process rebooted = here;
  rebooted.boot_id = "another";
  CHECK(sqlite::IsDead(rebooted, here));

  Process contained = DeadTwin();
  contained.pid_namespace += 1;
  CHECK_FALSE(sqlite::IsDead(contained, here));

  Process gone = here;
  gone.pid = 0x7fff'fff0;
  CHECK(sqlite::IsDead(gone, here));
}

}  // namespace
}  // namespace workmand
