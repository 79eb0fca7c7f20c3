// What core does for workers that are no workers of the protocol: a process for each job whose end
// is the outcome, a pool that is held, a note about a filter's end.
#include <catch2/catch.hpp>

#include "tests/unit/core/world.h"

namespace workmand {

TEST_CASE("a job whose own process crashed is lost and its worker goes on", "[dispatcher]") {
  World world(PlainLimits());
  world.AllReady();
  world.Job();

  world.Answer(1, Outcome::kLost);

  CHECK(world.StateOf(1) == State::kIdle);
  REQUIRE(world.ended.size() == 1);
  CHECK(world.ended[0].outcome == Outcome::kLost);
  CHECK(world.ended[0].next == action::JobEnded::Next::kRetry);
  CHECK(world.core.dispatcher().counts().lost == 1);
  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kFail);
}

TEST_CASE("a held pool lets busy workers finish and takes no job before a reload", "[pool]") {
  World world(PlainLimits(3));
  world.AllReady();
  world.Job();
  world.Job();
  world.Answer(1, Outcome::kAbort, true);
  world.seen.clear();

  world.core.OnHold(SlotId{1}, "'x' cannot do its work: exit 127", world.now);
  world.Turn();

  CHECK(world.Saw("degraded"));
  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  CHECK(world.core.pool().why_degraded() ==
        "'x' cannot do its work: exit 127; no job is taken until the profile is reloaded");
  CHECK(world.StateOf(1) == State::kClosing);
  CHECK(world.StateOf(3) == State::kClosing);
  CHECK(world.core.Credit() == 0);
  world.Gone(1);
  world.Gone(3);
  CHECK(world.StateOf(2) == State::kBusy);

  world.Answer(2, Outcome::kDone);
  CHECK(world.StateOf(2) == State::kClosing);
  world.Gone(2);
  world.Pass(std::chrono::hours(1));
  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  CHECK_FALSE(world.Saw("recovered"));
  CHECK_FALSE(world.Saw("spawn@1"));

  world.core.Reload(std::make_shared<const Limits>(PlainLimits(3)), world.now);
  world.Turn();
  world.AllReady();
  CHECK(world.Saw("recovered"));
  CHECK(world.core.phase() != DaemonPhase::kDegraded);
}

TEST_CASE("a job that comes while the pool is held goes back unseen", "[pool]") {
  World world(PlainLimits());
  world.AllReady();
  world.core.OnHold(SlotId{1}, "why", world.now);
  world.Turn();
  world.Gone(1);

  world.Job();
  world.Pass(Duration{2'000});

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kAbort);
  CHECK(world.updates[0].never_ran);
}

TEST_CASE("an older generation cannot hold the pool of the one that took over", "[pool]") {
  World world(PlainLimits());
  world.AllReady();
  world.Job();
  world.core.Reload(std::make_shared<const Limits>(PlainLimits()), world.now);
  world.Turn();
  world.Ready(2);

  world.core.OnHold(SlotId{1}, "why", world.now);

  CHECK_FALSE(world.core.pool().degraded());
  CHECK(world.StateOf(2) == State::kIdle);
}

TEST_CASE("a note about the end of a worker stands in the error of its job", "[dispatcher]") {
  for (const bool timed_out : {true, false}) {
    Limits limits = PlainLimits();
    if (timed_out) limits.time_limit = Duration{1'000};
    limits.max_attempts = 1;
    World world(limits);
    world.AllReady();
    world.Job();
    world.Pass(Duration{1'500});

    Exit exit{0, std::nullopt, "exit 0", false};
    exit.note = "it buffers";
    world.Gone(1, exit);

    REQUIRE(world.updates.size() == 1);
    CHECK(world.updates[0].bytes ==
          (timed_out ? "timeout: a job ran longer than its time limit: it buffers"
                     : "lost: it buffers"));
  }
}

}  // namespace workmand
