#include "daemon/queue/pump.h"

#include <algorithm>
#include <atomic>
#include <future>

#include <catch2/catch.hpp>

#include "tests/unit/queue/pump_harness.h"

namespace workmand {
namespace {

using Link = PumpState::Link;

TEST_CASE("no more jobs are fetched than were granted", "[queue]") {
  PumpHarness harness;
  for (const char* payload : {"1", "2", "3"}) harness.script->Offer(payload);
  harness.Start();
  harness.pump().Grant(2);

  REQUIRE(harness.UntilJobs(2));
  harness.pump().Grant(3);
  REQUIRE(harness.UntilJobs(3));

  CHECK(harness.batch.jobs[2].payload == "3");
}

TEST_CASE("an offer wakes a pump that waits with credit", "[queue]") {
  PumpHarness harness;
  harness.Start();
  harness.pump().Grant(1);
  REQUIRE(harness.UntilLink(Link::kUp));

  harness.script->Offer("x");

  REQUIRE(harness.UntilJobs(1));
}

TEST_CASE("a driver that must tick sooner for a job is not left to its last tick", "[queue]") {
  PumpHarness harness;
  harness.script->tick_due = TimePoint{};
  harness.Start();
  harness.pump().Grant(1);
  REQUIRE(harness.script->Until([&] { return harness.script->ticks == 1; }));

  harness.script->Offer("x");

  REQUIRE(harness.UntilJobs(1));
  CHECK(harness.script->Until([&] { return harness.script->ticks > 1; }));
}

TEST_CASE("what was posted while the driver was busy goes in batches", "[queue]") {
  std::promise<void> entered;
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  std::atomic<bool> first{true};
  PumpHarness harness;
  harness.script->on_apply = [&](std::span<const Update>, std::span<Applied> answers) {
    if (first.exchange(false)) {
      entered.set_value();
      open.wait();
    }
    std::fill(answers.begin(), answers.end(), Applied::kOk);
  };
  harness.Start();
  Post(harness, Dones(1));
  entered.get_future().wait();
  for (int i = 0; i < 300; ++i) Post(harness, Dones(1), false);
  gate.set_value();

  REQUIRE(harness.UntilApplied(301));

  CHECK(harness.script->Read(harness.script->batches) == std::vector<std::size_t>{1, 256, 44});
}

TEST_CASE("a post that is not urgent is applied all the same", "[queue]") {
  PumpHarness harness;
  harness.Start();
  REQUIRE(harness.UntilLink(Link::kUp));

  for (std::size_t i = 1; i <= 3; ++i) {
    Post(harness, Dones(1), false);
    REQUIRE(harness.UntilApplied(i));
  }

  CHECK(harness.batch.applied[0].answer == Applied::kOk);
}

TEST_CASE("who wants to know what became of a part of a result is told", "[queue]") {
  PumpHarness harness;
  harness.Start();
  REQUIRE(harness.UntilLink(Link::kUp));
  std::vector<Update> updates(3);
  updates[0].kind = Update::Kind::kData;  // nobody wants to know
  updates[0].bytes = "a";
  updates[1].kind = Update::Kind::kData;
  updates[1].bytes = "part";
  updates[1].source = 7;
  updates[2].kind = Update::Kind::kDone;
  updates[2].bytes = "whole";
  updates[2].source = 8;

  Post(harness, std::move(updates));
  REQUIRE(harness.UntilApplied(2));

  const AppliedUpdate& part = harness.batch.applied[0];
  CHECK(part.kind == Update::Kind::kData);
  CHECK(part.source == 7);
  CHECK(part.size == 4);
  CHECK(harness.batch.applied[1].kind == Update::Kind::kDone);
  CHECK(harness.batch.applied[1].source == 8);
  CHECK(harness.batch.applied[1].size == 5);
}

TEST_CASE("tasks are registered before the next fetch", "[queue]") {
  PumpHarness harness;
  harness.Start();
  harness.pump().Subscribe({{"resize"}});
  Script& script = *harness.script;

  REQUIRE(script.Until([&] { return script.subscriptions.size() == 1; }));

  CHECK(script.Read(script.subscriptions)[0] == std::vector<Subscription>{{"resize"}});
}

TEST_CASE("leases are renewed until the job is settled", "[queue]") {
  PumpHarness harness;
  harness.script->caps = static_cast<std::uint32_t>(Cap::kLease);
  harness.script->Offer("1");
  PumpOptions options = QuickOptions();
  options.lease_time = Duration{30};
  harness.Start(options);
  harness.pump().Grant(1);
  REQUIRE(harness.UntilJobs(1));
  Script& script = *harness.script;

  REQUIRE(script.Until([&] { return script.applied.size() >= 2; }));

  const auto renewals = script.Read(script.applied);
  CHECK(renewals[0].kind == Update::Kind::kExtend);
  CHECK(renewals[0].token == harness.batch.jobs[0].token);
  CHECK(renewals[0].delay == options.lease_time);
  Post(harness, Dones(1));
  REQUIRE(harness.UntilApplied(1));
  harness.pump().AskDepth();
  REQUIRE(harness.Until([&] { return harness.depth.has_value() || harness.links.size() > 1; }));
  CHECK(script.Read(script.applied).back().kind == Update::Kind::kDone);
}

TEST_CASE("a lease that cannot be renewed is told once", "[queue]") {
  PumpHarness harness;
  harness.script->caps = static_cast<std::uint32_t>(Cap::kLease);
  harness.script->on_apply = [](std::span<const Update>, std::span<Applied> answers) {
    std::fill(answers.begin(), answers.end(), Applied::kLost);
  };
  harness.script->Offer("1");
  PumpOptions options = QuickOptions();
  options.lease_time = Duration{30};
  harness.Start(options);
  harness.pump().Grant(1);

  REQUIRE(harness.UntilApplied(1));

  CHECK(harness.batch.applied[0].kind == Update::Kind::kExtend);
  CHECK(harness.batch.applied[0].answer == Applied::kLost);
  REQUIRE(harness.pump().Stop(kDeadline));
  harness.Drain();
  CHECK(harness.batch.applied.size() == 1);
}

TEST_CASE("the depth comes when asked for", "[queue]") {
  PumpHarness harness;
  harness.script->caps = static_cast<std::uint32_t>(Cap::kCount);
  harness.Start();

  harness.pump().AskDepth();

  REQUIRE(harness.Until([&] { return harness.depth.has_value(); }));
  CHECK(harness.depth == 17U);
}

TEST_CASE("a stop applies what was posted and gives back what nobody took", "[queue]") {
  std::atomic<int> dequeues{0};
  PumpHarness harness;
  harness.script->Offer("never drained");
  harness.script->on_dequeue = [&] { ++dequeues; };
  harness.Start();
  harness.pump().Grant(2);
  Script& script = *harness.script;
  REQUIRE(script.Until([&] { return dequeues >= 2; }));
  std::vector<Update> done(1);
  done[0].token = Token{77};
  harness.pump().Post(done, false);

  REQUIRE(harness.pump().Stop(kDeadline));

  const auto applied = script.Read(script.applied);
  REQUIRE(applied.size() == 2);
  CHECK(applied[0].token == Token{77});
  CHECK(applied[1].kind == Update::Kind::kAbort);
  CHECK(applied[1].never_ran);
  CHECK(script.Read(script.disconnects) == 1);
  harness.Drain();
  CHECK(harness.batch.jobs.empty());
  CHECK(harness.pump().Stop(kDeadline));
}

}  // namespace
}  // namespace workmand
