// What core makes of a worker that breaks the protocol, and of one whose output is left unread.
#include <catch2/catch.hpp>

#include "tests/unit/core/world.h"

namespace workmand {

TEST_CASE("who is ended for a violation pays for it although it hands its job back", "[core]") {
  World world(PlainLimits(), {.retry_delay = true});
  world.AllReady();
  world.Job();
  world.core.OnViolation(SlotId{1}, true, false, world.now);
  REQUIRE(world.StateOf(1) == State::kAborting);

  world.Answer(1, Outcome::kAbort, true);

  REQUIRE(world.ended.size() == 1);
  CHECK(world.ended[0].outcome == Outcome::kLost);
  CHECK(world.ended[0].next == action::JobEnded::Next::kRetry);
  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kFail);
  CHECK(world.updates[0].bytes == "protocol_error: " + std::string(ToString(Cause::kViolation)));
}

TEST_CASE("the loss of a job tells how its worker broke the protocol", "[core]") {
  World world(PlainLimits(), {.retry_delay = true});
  world.AllReady();
  world.Job();
  world.core.OnViolation(SlotId{1}, true, false, world.now);

  Exit exit{std::nullopt, 6, "signal 6", false};
  exit.broke = "V07: a damaged outcome";
  world.Gone(1, exit);

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].bytes == "protocol_error: V07: a damaged outcome");
}

TEST_CASE("a whole result that comes after a violation still counts", "[core]") {
  World world(PlainLimits());
  world.AllReady();
  world.Job();
  world.core.OnViolation(SlotId{1}, true, false, world.now);

  CHECK(world.Answer(1, Outcome::kDone) == Core::OutcomeIs::kSettled);

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kDone);
}

TEST_CASE("a job whose output is left unread cannot stall", "[core]") {
  Limits limits = PlainLimits();
  limits.stall_timeout = Duration{1'000};
  World world(limits);
  world.AllReady();
  world.Job();
  world.Pass(Duration{900});

  world.core.OnUnread(SlotId{1}, true, world.now);
  world.Pass(Duration{60'000});
  CHECK(world.StateOf(1) == State::kBusy);
  const std::string_view no_one_in_particular;
  world.core.OnHeartbeat(SlotId{1}, no_one_in_particular, Duration{0}, world.now);
  world.Pass(Duration{60'000});
  CHECK(world.StateOf(1) == State::kBusy);

  world.core.OnUnread(SlotId{1}, false, world.now);
  world.Pass(Duration{999});
  CHECK(world.StateOf(1) == State::kBusy);
  world.Pass(Duration{2});
  CHECK(world.StateOf(1) == State::kAborting);
}

TEST_CASE("a time limit does not wait for an output that is left unread", "[core]") {
  Limits limits = PlainLimits();
  limits.time_limit = Duration{1'000};
  World world(limits);
  world.AllReady();
  world.Job();

  world.core.OnUnread(SlotId{1}, true, world.now);
  world.Pass(Duration{1'000});

  CHECK(world.StateOf(1) == State::kAborting);
}

}  // namespace workmand
