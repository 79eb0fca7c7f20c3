#include "tests/unit/core/world.h"

namespace workmand {

TEST_CASE("an idle worker that is told to stop gets notice and EOF then TERM then ABRT then KILL",
          "[ladder]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Seen();

  world.core.Stop(1, world.now);
  world.Collect();
  CHECK(world.Seen() == "notice:stop@1 eof@1");
  world.Pass(Duration{999});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});
  CHECK(world.Seen() == "TERM@1");
  world.Pass(Duration{4000});  // exit_grace is 5 s after EOF
  CHECK(world.Seen() == "ABRT@1");
  world.Pass(Duration{5000});
  CHECK(world.Seen() == "KILL@1");
  CHECK(world.StateOf(1) == State::kKilling);
}

TEST_CASE("a busy bare worker is not signalled before its job is done", "[ladder]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  world.Seen();

  world.core.Stop(1, world.now);
  world.Collect();
  CHECK(world.Seen() == "notice:stop@1");
  world.Pass(Duration{15'000});
  CHECK(world.Seen().empty());
  world.Answer(1, Outcome::kDone);
  CHECK(world.Seen() == "eof@1");
  world.Pass(Duration{1'000});
  CHECK(world.Seen() == "TERM@1");
  CHECK(world.updates.at(0).kind == Update::Kind::kDone);
}

TEST_CASE("a busy worker that announced TERM gets it at once", "[ladder]") {
  World world(PlainLimits());
  auto announced = Announce();
  announced->handles_term = true;
  world.Ready(1, announced);
  world.Job();
  world.Seen();

  world.core.Stop(1, world.now);
  world.Collect();

  CHECK(world.Seen() == "notice:stop@1 TERM@1");
}

TEST_CASE("stop_signal decides who gets TERM", "[ladder]") {
  Limits limits = PlainLimits();
  SECTION("always also to one that did not announce it") {
    limits.term = TermPolicy::kAlways;
    World world(limits);
    world.Ready(1);
    world.Job();
    world.Seen();
    world.core.Stop(1, world.now);
    world.Collect();
    CHECK(world.Seen() == "notice:stop@1 TERM@1");
  }
  SECTION("never to none and idle ones neither") {
    limits.term = TermPolicy::kOff;
    World world(limits);
    world.Ready(1);
    world.Seen();
    world.core.Stop(1, world.now);
    world.Collect();
    world.Pass(Duration{4'999});
    CHECK(world.Seen() == "notice:stop@1 eof@1");
    world.Pass(Duration{1});
    CHECK(world.Seen() == "ABRT@1");
  }
}

TEST_CASE(
    "a busy worker past its grace gets cancel and ABRT then KILL and its job goes back uncounted",
    "[ladder]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  world.core.Stop(1, world.now);
  world.Collect();
  world.Seen();

  world.Pass(Duration{19'999});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});
  CHECK(world.Seen() == "cancel:shutdown@1 ABRT@1");
  world.Pass(Duration{5'000});
  CHECK(world.Seen() == "KILL@1");
  CHECK(world.updates.empty());
  world.Gone(1, {std::nullopt, 9, "signal 9 (SIGKILL)", false});

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kAbort);
  CHECK(world.Saw("stopped"));
}

TEST_CASE("graceful 0 aborts at once and infinity never", "[ladder]") {
  Limits limits = PlainLimits();
  SECTION("0") {
    limits.graceful_stop = Duration{0};
    World world(limits);
    world.Ready(1);
    world.Job();
    world.Seen();
    world.core.Stop(1, world.now);
    world.Pass(Duration{0});
    CHECK(world.Seen() == "notice:stop@1 cancel:shutdown@1 ABRT@1");
  }
  SECTION("infinity") {
    limits.graceful_stop = kInfinite;
    World world(limits);
    world.Ready(1);
    world.Job();
    world.Seen();
    world.core.Stop(1, world.now);
    world.Pass(std::chrono::hours(1000));
    CHECK(world.Seen() == "notice:stop@1");
  }
}

TEST_CASE("the second TERM aborts now and the third kills", "[ladder]") {
  World world(PlainLimits(2));
  world.AllReady();
  world.Job();
  world.core.Stop(1, world.now);
  world.Collect();
  world.Seen();

  world.core.Stop(2, world.now);
  world.Collect();
  CHECK(world.Seen() == "cancel:shutdown@1 ABRT@1 ABRT@2");
  world.core.Stop(3, world.now);
  world.Collect();
  CHECK(world.Seen() == "KILL@1 KILL@2");
}

TEST_CASE("QUIT goes to the abort rung with no TERM before it", "[ladder]") {
  World world(PlainLimits());
  auto announced = Announce();
  announced->handles_term = true;
  world.Ready(1, announced);
  world.Job();
  world.Seen();

  world.core.Stop(2, world.now);
  world.Collect();

  CHECK(world.Seen() == "cancel:shutdown@1 ABRT@1");
}

TEST_CASE("a worker that leaves on TERM before it read its job costs no attempt", "[ladder]") {
  World world(PlainLimits());
  auto announced = Announce();
  announced->handles_term = true;
  world.Ready(1, announced);
  world.Job();
  world.core.Stop(1, world.now);
  world.Collect();

  world.Gone(1, {0, std::nullopt, "exit 0", false});

  CHECK(world.updates.at(0).kind == Update::Kind::kAbort);
}

TEST_CASE("a worker that is not ready in time is closed then aborted", "[ladder]") {
  Limits limits = PlainLimits();
  limits.start_timeout = Duration{2'000};
  World world(limits);
  world.Seen();

  world.Pass(Duration{2'000});
  CHECK(world.Seen() == "eof@1");
  SECTION("a late ready tells that it does not flush") {
    CHECK(world.core.OnReady(SlotId{1}, Announce(), world.now) == Core::ReadyIs::kTooLate);
    CHECK(world.StateOf(1) == State::kClosing);
  }
  SECTION("silence leads up the ladder without TERM") {
    world.Pass(Duration{1'000});
    CHECK(world.Seen() == "ABRT@1");
    world.Pass(Duration{5'000});
    CHECK(world.Seen() == "KILL@1");
  }
}

TEST_CASE("a process that survives SIGKILL is killed again and its slot is replaced", "[ladder]") {
  World world(PlainLimits());
  world.Ready(1);
  world.core.OnForce(SlotId{1}, Cause::kNotReading, world.now);
  world.Turn();
  world.Pass(Duration{5'000});
  world.Seen();

  world.Pass(Duration{5'000});
  const std::string seen = world.Seen();

  CHECK(seen.find("KILL@1 unkillable") != std::string::npos);
  CHECK(world.StateOf(2) == State::kBooting);
}

TEST_CASE("a job over its time limit costs its worker the life and itself an attempt", "[ladder]") {
  Limits limits = PlainLimits();
  limits.time_limit = Duration{3'000};
  World world(limits);

  SECTION("a bare worker gets ABRT at the limit") {
    world.Ready(1);
    world.Job();
    world.Seen();
    world.Pass(Duration{3'000});
    CHECK(world.Seen() == "cancel:timeout@1 ABRT@1 spawn@2");
    world.Gone(1, {std::nullopt, 6, "signal 6 (SIGABRT)", false});
    REQUIRE(world.updates.size() == 1);
    CHECK(world.updates[0].kind == Update::Kind::kFail);
    CHECK(world.updates[0].retry);
    CHECK(world.ended.at(0).outcome == Outcome::kTimeout);
    CHECK(world.StateOf(2) == State::kBooting);  // replaced at once
  }
  SECTION("a cancel-capable worker is told first and has a second") {
    auto announced = Announce();
    announced->cancel = true;
    world.Ready(1, announced);
    world.Job();
    world.Seen();
    world.Pass(Duration{3'000});
    CHECK(world.Seen() == "cancel:timeout@1");
    world.Pass(Duration{1'000});
    CHECK(world.Seen() == "ABRT@1 spawn@2");
  }
  SECTION("a done that comes before the end wins") {
    world.Ready(1);
    world.Job();
    world.Pass(Duration{3'000});
    world.Answer(1, Outcome::kDone);
    world.Gone(1, {std::nullopt, 6, "signal 6 (SIGABRT)", false});
    REQUIRE(world.updates.size() == 1);
    CHECK(world.updates[0].kind == Update::Kind::kDone);
  }
  SECTION("a fail or abort after the limit is a time-out") {
    world.Ready(1);
    world.Job();
    world.Pass(Duration{3'000});
    world.Answer(1, Outcome::kAbort, true);
    REQUIRE(world.updates.size() == 1);
    CHECK(world.updates[0].kind == Update::Kind::kFail);
    CHECK(world.ended.at(0).outcome == Outcome::kTimeout);
  }
}

TEST_CASE("with concurrency a time-out gives the neighbours back without an attempt", "[ladder]") {
  Limits limits = PlainLimits();
  limits.tasks["Slow"].time_limit = Duration{1'000};
  World world(limits);
  auto announced = Announce({"Echo", "Slow"});
  announced->concurrency = 2;
  world.Ready(1, announced);
  world.Job("Slow");
  world.Job("Echo");

  world.Pass(Duration{1'000});
  world.Gone(1, {std::nullopt, 6, "signal 6 (SIGABRT)", false});

  REQUIRE(world.updates.size() == 2);
  CHECK(world.updates[0].kind == Update::Kind::kFail);
  CHECK(world.updates[1].kind == Update::Kind::kAbort);
}

TEST_CASE("a heartbeat moves the time limit up to max_timeout", "[ladder]") {
  Limits limits = PlainLimits();
  limits.time_limit = Duration{1'000};
  limits.max_extension = Duration{500};
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Seen();

  CHECK(world.core.OnHeartbeat(SlotId{1}, {}, Duration{10'000}, world.now));
  world.Pass(Duration{1'499});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});
  CHECK(world.Seen() == "cancel:timeout@1 ABRT@1 spawn@2");
}

TEST_CASE("a job that gives no sign of life stalls", "[ladder]") {
  Limits limits = PlainLimits();
  limits.stall_timeout = Duration{1'000};
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Seen();

  world.Pass(Duration{900});
  world.core.OnHeartbeat(SlotId{1}, {}, Duration{0}, world.now);
  world.Pass(Duration{999});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});

  CHECK(world.Seen() == "cancel:timeout@1 ABRT@1 spawn@2");
}

TEST_CASE("a slow job is reported once and left alone", "[ladder]") {
  Limits limits = PlainLimits();
  limits.slow_job_threshold = Duration{1'000};
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Seen();

  world.Pass(Duration{10'000});

  CHECK(world.Seen() == "slow@1");
}

TEST_CASE("a worker that outlived max_lifetime goes after its job", "[ladder]") {
  Limits limits = PlainLimits();
  limits.max_lifetime = Duration{10'000};
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Seen();

  world.Pass(Duration{30'000});
  CHECK(world.Seen() == "spawn@2");  // the replacement comes at once
  world.Answer(1, Outcome::kDone);

  CHECK(world.Seen() == "notice:lifetime@1 eof@1");
}

}  // namespace workmand
