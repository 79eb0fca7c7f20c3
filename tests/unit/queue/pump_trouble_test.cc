#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "tests/unit/queue/pump_harness.h"

namespace workmand {
namespace {

using Link = PumpState::Link;

TEST_CASE("a lost connection is told and made again", "[queue]") {
  PumpHarness harness;
  harness.Start();
  harness.pump().Grant(1);
  REQUIRE(harness.UntilLink(Link::kUp));
  harness.links.clear();

  harness.script->ThrowNext([] { throw ConnectionLost("the server went away"); });

  REQUIRE(harness.UntilLink(Link::kUp));
  CHECK(harness.sessions_lost == 1);
  CHECK(harness.lost_because == "the server went away");
  CHECK(harness.script->Read(harness.script->connects) == 2);
}

TEST_CASE("a server that is away is tried again until it is there", "[queue]") {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  PumpHarness harness;
  harness.script->on_connect = [open](int nth) {
    if (nth < 4) throw ConnectionLost("refused");
    open.wait();
  };
  harness.Start();

  REQUIRE(harness.UntilLink(Link::kDown));
  gate.set_value();
  REQUIRE(harness.UntilLink(Link::kUp));

  CHECK(harness.sessions_lost == 0);
  CHECK(harness.script->Read(harness.script->connects) == 4);
}

TEST_CASE("whatever else a driver throws degrades the queue and ends nothing", "[queue]") {
  const bool is_exception = GENERATE(true, false);
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  PumpHarness harness;
  harness.script->on_connect = [open](int nth) {
    if (nth == 2) open.wait();
  };
  harness.Start();
  harness.pump().Grant(1);
  REQUIRE(harness.UntilLink(Link::kUp));
  harness.links.clear();

  harness.script->ThrowNext([is_exception] {
    if (is_exception) throw std::logic_error("a bug");
    throw 42;
  });

  REQUIRE(harness.UntilLink(Link::kDegraded));
  CHECK(harness.errors.back() ==
        (is_exception ? "a bug" : "the driver threw something that is no exception"));
  gate.set_value();
  REQUIRE(harness.UntilLink(Link::kUp));
}

TEST_CASE("one rejected update does not take its neighbours with it", "[queue]") {
  PumpHarness harness;
  harness.script->on_apply = [](std::span<const Update> updates, std::span<Applied> answers) {
    for (std::size_t i = 0; i < updates.size(); ++i) {
      if (updates[i].token == Token{2}) throw Rejected("too large");
      answers[i] = Applied::kOk;
    }
  };
  harness.Start();
  Post(harness, Dones(3));

  REQUIRE(harness.UntilApplied(3));

  CHECK(harness.batch.applied[0].answer == Applied::kOk);
  CHECK(harness.batch.applied[1].answer == Applied::kRefused);
  CHECK(harness.batch.applied[2].answer == Applied::kOk);
  CHECK(harness.script->Read(harness.script->applied).size() == 1);
}

TEST_CASE("what is posted while the queue is down is lost at once", "[queue]") {
  PumpHarness harness;
  harness.script->on_connect = [](int) { throw ConnectionLost("refused"); };
  PumpOptions options = QuickOptions();
  options.backoff_min = options.backoff_max = Duration{3'600'000};
  harness.Start(options);
  REQUIRE(harness.UntilLink(Link::kDown));

  Post(harness, Dones(2));

  REQUIRE(harness.UntilApplied(2));
  CHECK(harness.batch.applied[1].answer == Applied::kLost);
}

TEST_CASE("where holds survive a settlement waits for the link", "[queue]") {
  std::atomic<bool> fail_once{true};
  PumpHarness harness;
  harness.script->caps = static_cast<std::uint32_t>(Cap::kHoldSurvives);
  harness.script->on_apply = [&](std::span<const Update>, std::span<Applied> answers) {
    if (fail_once.exchange(false)) throw ConnectionLost("gone");
    std::fill(answers.begin(), answers.end(), Applied::kOk);
  };
  harness.Start();
  std::vector<Update> updates = Dones(2);
  updates[0].kind = Update::Kind::kProgress;
  Post(harness, std::move(updates));

  REQUIRE(harness.UntilApplied(1));

  CHECK(harness.sessions_lost == 1);
  CHECK(harness.batch.applied[0].token == Token{2});
  CHECK(harness.batch.applied[0].answer == Applied::kOk);
}

TEST_CASE("jobs that the loop has not seen die with their session and are fetched anew",
          "[queue]") {
  std::atomic<int> dequeues{0};
  PumpHarness harness;
  harness.script->Offer("old");
  harness.script->on_dequeue = [&] {
    if (++dequeues == 2) throw ConnectionLost("gone");
  };
  harness.Start();
  harness.pump().Grant(2);
  Script& script = *harness.script;
  REQUIRE(script.Until([&] { return script.connects == 2; }));

  harness.script->Offer("new 1");
  harness.script->Offer("new 2");

  REQUIRE(harness.UntilJobs(2));
  CHECK(harness.batch.jobs[0].payload == "new 1");
  CHECK(harness.batch.jobs[1].payload == "new 2");
}

TEST_CASE("a driver that hangs does not hold up the stop", "[queue]") {
  // Shared with the thread, which outlives this scope for a moment.
  struct Gate {
    std::promise<void> entered;
    std::promise<void> opened;
    std::promise<void> passed;
  };
  const auto gate = std::make_shared<Gate>();
  PumpHarness harness;
  harness.script->on_apply = [gate](std::span<const Update>, std::span<Applied>) {
    gate->entered.set_value();
    gate->opened.get_future().wait();
    gate->passed.set_value();
  };
  harness.Start();
  Post(harness, Dones(1));
  gate->entered.get_future().wait();

  CHECK_FALSE(harness.pump().Stop(Duration{1}));

  gate->opened.set_value();
  gate->passed.get_future().wait();
}

}  // namespace
}  // namespace workmand
