#include "tests/unit/core/world.h"

namespace workmand {
namespace {

const Exit kCrash{1, std::nullopt, "exit 1", false};

Generation Reload(World& world, Limits limits) {
  const Generation generation =
      world.core.Reload(std::make_shared<const Limits>(std::move(limits)), world.now);
  world.Turn();
  return generation;
}

}  // namespace

TEST_CASE("a reload tells no old worker anything before a new one is ready", "[reload]") {
  World world(PlainLimits(2));
  world.AllReady();
  world.Job();
  world.Seen();

  Reload(world, PlainLimits(2));
  CHECK(world.Seen() == "spawn@3");
  CHECK(world.core.phase() == DaemonPhase::kReloading);
  world.Pass(Duration{30'000});

  CHECK(world.Seen().empty());
  CHECK(world.StateOf(1) == State::kBusy);
  CHECK(world.StateOf(2) == State::kIdle);
}

TEST_CASE("idle old workers go one per new ready and busy ones after their job", "[reload]") {
  World world(PlainLimits(3));
  world.AllReady();
  world.Job();  // slot 1
  world.Seen();
  Reload(world, PlainLimits(3));

  world.Ready(4);
  // Commit: the busy one is told and no longer counts, so two new ones may start beside the idle.
  CHECK(world.Seen() == "spawn@4 committed notice:restart@1 spawn@5");
  world.Ready(5);
  CHECK(world.Seen() == "notice:restart@2 eof@2 spawn@6");
  world.Gone(2);
  world.Ready(6);
  CHECK(world.Seen() == "notice:restart@3 eof@3");
  world.Gone(3);
  CHECK(world.Seen() == "reloaded");
  CHECK(world.draining == 1);
  CHECK(world.StateOf(1) == State::kDraining);

  world.Answer(1, Outcome::kDone);
  CHECK(world.Seen() == "eof@1");
}

TEST_CASE("every busy old worker has a deadline of its own from the commit", "[reload]") {
  World world(PlainLimits(2));
  world.AllReady();
  world.Job();
  world.Job();
  Reload(world, PlainLimits(2));
  world.Pass(Duration{10'000});
  world.Ready(3);
  world.Seen();

  world.Pass(Duration{10'000});
  world.Answer(2, Outcome::kDone);
  world.Gone(2);
  world.Seen();
  world.Pass(Duration{9'999});
  CHECK(world.Seen().find("ABRT@1") == std::string::npos);
  world.Pass(Duration{1});

  CHECK(world.Seen().find("cancel:shutdown@1 ABRT@1") != std::string::npos);
}

TEST_CASE("new workers that cannot get ready are rolled back and the old serve on", "[reload]") {
  World world(PlainLimits(2));
  world.AllReady();
  world.Seen();
  Reload(world, PlainLimits(2));

  for (int i = 0; i < 5; ++i) {
    CHECK(world.StateOf(3) == State::kBooting);
    world.Gone(3, kCrash);
    world.Pass(Duration{2'000});
  }

  CHECK(world.Seen().find("rolled-back") != std::string::npos);
  CHECK(world.core.phase() == DaemonPhase::kRunning);
  CHECK(world.core.pool().generation() == Generation{1});
  CHECK(world.core.Credit() == 2);
}

TEST_CASE("exit 78 of a new worker rolls back at once", "[reload]") {
  World world(PlainLimits(1));
  world.AllReady();
  Reload(world, PlainLimits(1));
  world.Seen();

  world.Gone(2, {78, std::nullopt, "exit 78", false});

  CHECK(world.Saw("rolled-back"));
}

TEST_CASE("an old worker that dies before the commit is replaced by its own generation",
          "[reload]") {
  World world(PlainLimits(1));
  world.AllReady();
  Reload(world, PlainLimits(1));
  world.Gone(1, kCrash);
  world.Pass(Duration{200});

  CHECK(world.StateOf(1) == State::kBooting);
  CHECK(world.core.slot(SlotId{1}).generation == Generation{1});
}

TEST_CASE("a reload during a reload takes its place", "[reload]") {
  World world(PlainLimits(1));
  world.AllReady();
  Reload(world, PlainLimits(1));
  world.Seen();

  const Generation third = Reload(world, PlainLimits(1));
  CHECK(third == Generation{3});
  CHECK(world.Seen() == "notice:restart@2 eof@2 superseded spawn@3");
  world.Ready(3);
  world.Gone(1);
  world.Gone(2);

  CHECK(world.Saw("reloaded"));
  CHECK(world.core.pool().generation() == Generation{3});
}

TEST_CASE("a stop during a reload wins", "[reload]") {
  World world(PlainLimits(1));
  world.AllReady();
  Reload(world, PlainLimits(1));
  world.Seen();

  world.core.Stop(1, world.now);
  world.Turn();
  CHECK(world.Seen() == "notice:stop@1 eof@1 notice:stop@2 eof@2");
  world.Gone(1);
  world.Gone(2);

  CHECK(world.Seen() == "stopped");
}

TEST_CASE("start failures after the commit pause the roll-out and the rest serves on", "[reload]") {
  World world(PlainLimits(3));
  world.AllReady();
  Reload(world, PlainLimits(3));
  world.Ready(4);
  for (int i = 0; i < 5; ++i) {
    for (const auto& slot : world.core.workers().slots()) {
      if (slot->state == State::kBooting) {
        world.Gone(slot->id.value, kCrash);
        break;
      }
    }
    world.Pass(Duration{2'000});
  }

  CHECK(world.core.phase() == DaemonPhase::kDegraded);
  int serving_old = 0;
  for (const auto& slot : world.core.workers().slots()) {
    serving_old += slot->Open() && slot->generation == Generation{1} ? 1 : 0;
  }
  CHECK(serving_old == 2);
}

TEST_CASE("a larger surge starts several new workers at once", "[reload]") {
  World world(PlainLimits(3));
  world.AllReady();
  Limits limits = PlainLimits(3);
  limits.max_surge = 3;
  world.Seen();

  Reload(world, limits);

  CHECK(world.Seen() == "spawn@4 spawn@5 spawn@6");
}

TEST_CASE("max_unavailable lets idle old workers go before their replacement is ready",
          "[reload]") {
  World world(PlainLimits(3));
  world.AllReady();
  Limits limits = PlainLimits(3);
  limits.max_unavailable = 2;
  Reload(world, limits);
  world.Seen();

  world.Ready(4);

  const std::string seen = world.Seen();
  CHECK(seen.find("notice:restart@1") != std::string::npos);
  CHECK(seen.find("notice:restart@2") != std::string::npos);
  CHECK(seen.find("notice:restart@3") != std::string::npos);
}

TEST_CASE("a reload takes new limits over and drops an earlier scale", "[reload]") {
  World world(PlainLimits(1));
  world.AllReady();
  world.core.Scale(3, world.now);
  world.Collect();
  CHECK(world.core.pool().target() == 3);

  Reload(world, PlainLimits(2));
  world.Ready(4);

  CHECK(world.core.pool().target() == 2);
}

}  // namespace workmand
