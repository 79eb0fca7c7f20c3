#include "tests/unit/core/world.h"

namespace workmand {
namespace {

const Exit kCrash{1, std::nullopt, "exit 1", false};

}  // namespace

TEST_CASE("the pool starts its workers and serves with the first that is ready", "[pool]") {
  World world(PlainLimits(3));
  CHECK(world.Seen() == "spawn@1 spawn@2 spawn@3");
  CHECK(world.core.phase() == DaemonPhase::kStarting);

  world.Ready(2);

  CHECK(world.Saw("serving"));
  CHECK(world.core.phase() == DaemonPhase::kRunning);
}

TEST_CASE("spawn_interval spaces the starts", "[pool]") {
  Limits limits = PlainLimits(3);
  limits.spawn_interval = Duration{500};
  World world(limits);
  CHECK(world.Seen() == "spawn@1");
  world.Pass(Duration{499});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});
  CHECK(world.Seen() == "spawn@2");
  world.Pass(Duration{500});
  CHECK(world.Seen() == "spawn@3");
}

TEST_CASE("a worker that fails to start is replaced with growing pauses until degraded", "[pool]") {
  World world(PlainLimits());
  world.Seen();
  const std::vector<Duration> pauses{Duration{100}, Duration{200}, Duration{400}, Duration{800}};
  for (const Duration pause : pauses) {
    world.Gone(1, kCrash);
    world.Seen();
    world.Pass(pause - Duration{1});
    CHECK(world.Seen().empty());
    world.Pass(Duration{1});
    CHECK(world.Seen() == "spawn@1");
  }

  world.Gone(1, kCrash);

  CHECK(world.Seen() == "failure:5 degraded");
  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  world.Pass(Duration{29'999});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});
  CHECK(world.Seen() == "spawn@1");
  world.Ready(1);
  CHECK(world.Saw("recovered"));
  CHECK(world.core.phase() == DaemonPhase::kRunning);
}

TEST_CASE("a failure that several workers share is counted once", "[pool]") {
  World world(PlainLimits(4));
  Exit shared = kCrash;
  world.Gone(1, shared);
  shared.counted = true;
  for (std::uint32_t slot = 2; slot <= 4; ++slot) world.Gone(slot, shared);
  CHECK(world.core.phase() == DaemonPhase::kStarting);
  world.Seen();

  world.Pass(Duration{100});

  CHECK(world.Seen() == "spawn@1 spawn@2 spawn@3 spawn@4");
}

TEST_CASE("a degraded pool tries with one worker at a time", "[pool]") {
  World world(PlainLimits(4));
  for (std::uint32_t slot = 1; slot <= 4; ++slot) world.Gone(slot, kCrash);
  world.Pass(Duration{800});
  for (std::uint32_t slot = 1; slot <= 4; ++slot) {
    if (world.core.slot(SlotId{slot}).Alive()) world.Gone(slot, kCrash);
  }
  REQUIRE(world.core.phase() == DaemonPhase::kDegraded);
  world.Seen();

  world.Pass(Duration{30'000});
  CHECK(world.Seen() == "spawn@1");
  world.Ready(1);

  CHECK(world.Seen() == "serving recovered spawn@2 spawn@3 spawn@4");
}

TEST_CASE("a worker that dies on its first job is a start failure too", "[pool]") {
  World world(PlainLimits());
  for (int i = 0; i < 5; ++i) {
    world.Pass(Duration{2'000});
    world.Ready(1);
    world.Job();
    world.Gone(1, kCrash);
  }

  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  CHECK(world.core.Credit() == 0);
  world.Pass(Duration{30'000});
  world.Ready(1);
  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  world.Job();
  world.Answer(1, Outcome::kDone);
  CHECK(world.core.phase() == DaemonPhase::kRunning);
}

TEST_CASE("a crash after finished jobs is no start failure", "[pool]") {
  World world(PlainLimits());
  for (int i = 0; i < 20; ++i) {
    world.Ready(1);
    world.Job();
    world.Answer(1, Outcome::kDone);
    world.Gone(1, kCrash);
    world.Pass(Duration{100});
  }
  CHECK(world.core.phase() == DaemonPhase::kRunning);
}

TEST_CASE("exit 78 before ready stops all starts until a reload", "[pool]") {
  World world(PlainLimits());
  world.Gone(1, {78, std::nullopt, "exit 78", false});
  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  world.Seen();

  world.Pass(std::chrono::hours(10));
  CHECK(world.Seen().empty());
  world.core.Reload(std::make_shared<const Limits>(PlainLimits()), world.now);
  world.Turn();
  CHECK(world.Seen() == "spawn@1");
  world.Ready(1);

  CHECK(world.core.phase() == DaemonPhase::kRunning);
}

TEST_CASE("exit 75 before ready slows the respawn down and never degrades", "[pool]") {
  World world(PlainLimits());
  for (int i = 0; i < 10; ++i) {
    world.Gone(1, {75, std::nullopt, "exit 75", false});
    world.Pass(Duration{30'000});
  }
  CHECK(world.core.phase() == DaemonPhase::kStarting);
}

TEST_CASE("a recycled worker is replaced before its last job ends", "[pool]") {
  Limits limits = PlainLimits();
  limits.max_jobs = 2;
  limits.max_jobs_jitter = 0;
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Answer(1, Outcome::kDone);
  world.Seen();

  world.Job();
  CHECK(world.Seen() == "send@1 spawn@2");
  world.Answer(1, Outcome::kDone);

  CHECK(world.Seen() == "notice:recycle@1 eof@1");
}

TEST_CASE("a long last job of a recycled worker is not aborted", "[pool]") {
  Limits limits = PlainLimits();
  limits.max_jobs = 1;
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Seen();

  world.Pass(std::chrono::hours(2));

  CHECK_FALSE(world.Saw("ABRT@1"));
  CHECK(world.StateOf(1) == State::kBusy);
}

TEST_CASE("a worker that asks to retire goes after its job", "[pool]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  world.Seen();

  world.core.OnRetire(SlotId{1}, world.now);
  world.Turn();
  CHECK(world.Seen() == "spawn@2");
  world.Answer(1, Outcome::kDone);

  CHECK(world.Seen() == "notice:retire@1 eof@1");
}

TEST_CASE("too many violations retire the worker and a severe one ends it", "[pool]") {
  Limits limits = PlainLimits();
  limits.max_violations = 2;
  World world(limits);
  world.Ready(1);
  world.Seen();
  SECTION("scored ones") {
    world.core.OnViolation(SlotId{1}, false, true, world.now);
    world.core.OnViolation(SlotId{1}, false, true, world.now);
    world.core.OnViolation(SlotId{1}, false, false, world.now);
    world.Turn();
    CHECK(world.Seen().empty());
    world.core.OnViolation(SlotId{1}, false, true, world.now);
    world.Turn();
    CHECK(world.Seen() == "notice:retire@1 eof@1 spawn@2");
  }
  SECTION("a severe one costs the running job its attempt") {
    world.Job();
    world.core.OnViolation(SlotId{1}, true, false, world.now);
    world.Turn();
    world.Gone(1, {std::nullopt, 6, "signal 6 (SIGABRT)", false});
    CHECK(world.updates.at(0).kind == Update::Kind::kFail);
    CHECK(world.ended.at(0).outcome == Outcome::kLost);
  }
}

TEST_CASE("scaling down takes idle workers first and never cuts a job", "[pool]") {
  World world(PlainLimits(3));
  world.AllReady();
  world.Job();  // on worker 1
  world.Seen();

  world.core.Scale(1, world.now);
  world.Collect();
  CHECK(world.Seen() == "notice:scale@2 eof@2 notice:scale@3 eof@3");
  world.Gone(2);
  world.Gone(3);
  world.core.Scale(2, world.now);
  world.Collect();

  CHECK(world.Seen() == "spawn@2");
}

TEST_CASE("a dynamic pool grows on demand and shrinks when idle", "[pool]") {
  Limits limits = PlainLimits(3);
  limits.min_workers = 1;
  World world(limits);
  world.Ready(1);
  CHECK(world.Seen() == "spawn@1 serving");
  CHECK(world.core.Credit() == 1);
  world.Job();
  CHECK(world.core.Credit() == 1);  // one more, to learn of demand
  world.Seen();

  world.Job();
  CHECK(world.Seen() == "spawn@2");
  world.Ready(2);
  CHECK(world.Seen() == "send@2");
  world.Answer(1, Outcome::kDone);
  world.Answer(2, Outcome::kDone);
  world.Pass(Duration{60'000});

  CHECK(world.Seen() == "notice:idle@1 eof@1");
}

TEST_CASE("the daemon stops when every worker has gone", "[pool]") {
  World world(PlainLimits(2));
  world.AllReady();
  world.core.Stop(1, world.now);
  world.Collect();
  world.Seen();

  world.Gone(1);
  CHECK(world.Seen().empty());
  world.Gone(2);

  CHECK(world.Seen() == "stopped");
}

TEST_CASE("a worker that is not needed any more is not respawned while stopping", "[pool]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  world.core.Stop(1, world.now);
  world.Collect();
  world.Seen();

  world.Gone(1, kCrash);

  CHECK(world.Seen() == "stopped");
  CHECK(world.ended.at(0).outcome == Outcome::kLost);
}

}  // namespace workmand
