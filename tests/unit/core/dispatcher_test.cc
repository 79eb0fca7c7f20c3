#include "tests/unit/core/world.h"

namespace workmand {

TEST_CASE("a job goes to the worker that has been idle longest", "[dispatcher]") {
  World world(PlainLimits(3));
  world.AllReady();
  world.Job();
  world.Job();
  world.Answer(1, Outcome::kDone);
  world.Seen();

  world.Job();
  world.Job();

  CHECK(world.Seen() == "send@3 send@1");
}

TEST_CASE("a job goes only to a worker that announced its task", "[dispatcher]") {
  World world(PlainLimits(2));
  world.Ready(1, Announce({"A"}));
  world.Ready(2, Announce({"B"}));
  world.Seen();

  world.Job("B");
  world.Job("B");  // held: worker 1 does not serve it
  world.Job("A");  // and it does not hold up this one

  CHECK(world.Seen() == "send@2 send@1");
  CHECK(world.core.dispatcher().held() == 1);
}

TEST_CASE("the tasks to fetch are those of the live workers", "[dispatcher]") {
  World world(PlainLimits(2));
  world.Ready(1, Announce({"B", "A"}));
  CHECK(world.subscribed == std::vector<std::string>{"A", "B"});
  world.Ready(2, Announce({"C"}));
  CHECK(world.subscribed == std::vector<std::string>{"A", "B", "C"});

  world.Gone(2);

  CHECK(world.subscribed == std::vector<std::string>{"A", "B"});
}

TEST_CASE("a worker for any task means the tasks of the profile or all", "[dispatcher]") {
  auto any = std::make_shared<Announcement>();
  any->any_task = true;
  Limits limits = PlainLimits();
  SECTION("none in the profile") {
    World world(limits);
    world.Ready(1, any);
    CHECK(world.subscribed == std::vector<std::string>{"*"});
  }
  SECTION("those of the profile") {
    limits.tasks["X"] = {};
    World world(limits);
    world.Ready(1, any);
    CHECK(world.subscribed == std::vector<std::string>{"X"});
  }
}

TEST_CASE("a failed job comes back with a growing delay and dies after its last attempt",
          "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);

  world.Job("Echo", 1);
  world.Answer(1, Outcome::kFail);
  world.Job("Echo", 2);
  world.Answer(1, Outcome::kFail);
  world.Job("Echo", 3);
  world.Answer(1, Outcome::kFail);

  REQUIRE(world.updates.size() == 3);
  CHECK(world.updates[0].retry);
  CHECK(world.updates[0].delay == Duration{1'000});
  CHECK(world.updates[1].delay == Duration{2'000});
  CHECK_FALSE(world.updates[2].retry);
  CHECK(world.core.dispatcher().counts().dead == 1);
}

TEST_CASE("a permanent failure dies at once and its own delay wins over the policy",
          "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  world.Answer(1, Outcome::kFail, false);
  CHECK_FALSE(world.updates.at(0).retry);

  world.Job();
  const DeliveryId id = world.core.slot(SlotId{1}).in_flight.front().id;
  OutcomeReport report;
  report.kind = Outcome::kFail;
  report.bytes = "{}";
  report.delay = Duration{7};
  world.core.OnOutcome(SlotId{1}, id.view(), report, world.now);
  world.Turn();
  CHECK(world.updates.at(1).delay == Duration{7});
}

TEST_CASE("retry true never goes beyond max_attempts", "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job("Echo", 3);

  world.Answer(1, Outcome::kFail, true);

  CHECK_FALSE(world.updates.at(0).retry);
}

TEST_CASE("an abort gives back or drops or fails as the worker or its announcement says",
          "[dispatcher]") {
  World world(PlainLimits());
  auto announced = Announce({"Echo", "Drop", "Fail"});
  announced->tasks["Drop"].on_abort = TaskAnnouncement::OnAbort::kDrop;
  announced->tasks["Fail"].on_abort = TaskAnnouncement::OnAbort::kFail;
  world.Ready(1, announced);
  const auto outcome = [&](const std::string& task, std::optional<bool> requeue) {
    world.updates.clear();
    world.Job(task);
    world.Answer(1, Outcome::kAbort, requeue);
    return world.updates.at(0).kind;
  };

  CHECK(outcome("Echo", {}) == Update::Kind::kAbort);
  CHECK(outcome("Echo", true) == Update::Kind::kAbort);
  CHECK(outcome("Echo", false) == Update::Kind::kDone);
  CHECK(outcome("Drop", {}) == Update::Kind::kDone);
  CHECK(outcome("Drop", true) == Update::Kind::kAbort);
  CHECK(outcome("Fail", {}) == Update::Kind::kFail);
}

TEST_CASE("aborts in a row count as attempts after max_aborts", "[dispatcher]") {
  Limits limits = PlainLimits();
  limits.max_aborts = 2;
  World world(limits);
  world.Ready(1);

  world.Job("Echo", 1, 2);  // one free abort so far
  world.Answer(1, Outcome::kAbort);
  CHECK(world.updates.at(0).kind == Update::Kind::kAbort);
  world.Job("Echo", 1, 3);
  world.Answer(1, Outcome::kAbort);
  CHECK(world.updates.at(1).kind == Update::Kind::kFail);
}

TEST_CASE("a job that was handed out too often goes to the dead letters unrun", "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Seen();

  world.Job("Echo", 1, 14);  // max_attempts 3 + max_aborts 10

  CHECK(world.Seen().empty());
  REQUIRE(world.updates.size() == 1);
  CHECK_FALSE(world.updates[0].retry);
}

TEST_CASE("a worker that ends by itself costs its running job an attempt", "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();

  world.Gone(1, {std::nullopt, 11, "signal 11 (SIGSEGV)", false});

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kFail);
  CHECK(world.updates[0].bytes.find("signal 11") != std::string::npos);
  CHECK(world.core.dispatcher().counts().lost == 1);
}

TEST_CASE("the error of a lost job has the last words of its worker", "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();

  world.Gone(1, {3, std::nullopt, "exit 3", false, "out of luck"});

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].bytes ==
        "lost: the worker ended while it ran the job: exit 3 | out of luck");
}

TEST_CASE("parked and undelivered jobs go back without an attempt or a delivery", "[dispatcher]") {
  World world(PlainLimits());
  auto announced = Announce();
  announced->prefetch = 2;
  world.Ready(1, announced);
  world.Job();
  world.Job();
  world.Job();
  const DeliveryId first = world.core.slot(SlotId{1}).in_flight.front().id;
  world.core.OnUndelivered(SlotId{1}, first.view());

  world.Gone(1, {1, std::nullopt, "exit 1", false});

  REQUIRE(world.updates.size() == 3);
  for (const Update& update : world.updates) {
    CHECK(update.kind == Update::Kind::kAbort);
    CHECK(update.never_ran);
  }
}

TEST_CASE("without a queue that delays a failed job is retried in hand", "[dispatcher]") {
  World world(PlainLimits(), QueueTraits{false});
  world.Ready(1);
  world.Job();
  world.Answer(1, Outcome::kFail);
  // The queue's side may write down what the next try will be.
  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kExtend);
  REQUIRE(world.updates[0].job != nullptr);
  CHECK(world.updates[0].job->attempt == 2);
  CHECK(world.updates[0].job->deliveries == 2);
  world.updates.clear();
  world.Seen();

  world.Pass(Duration{999});
  CHECK(world.Seen().empty());
  world.Pass(Duration{1});
  CHECK(world.Seen() == "send@1");
  CHECK(world.core.slot(SlotId{1}).in_flight.front().job.get().attempt == 2);
  world.Answer(1, Outcome::kDone);

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].kind == Update::Kind::kDone);
}

TEST_CASE("a stop gives retries in hand and held jobs back", "[dispatcher]") {
  World world(PlainLimits(), QueueTraits{false});
  world.Ready(1);
  world.Job();
  world.Answer(1, Outcome::kFail);
  world.Job();
  world.Job();  // held behind the running one

  world.core.Stop(1, world.now);
  world.Collect();

  REQUIRE(world.updates.size() == 3);
  CHECK(world.updates[0].kind == Update::Kind::kExtend);
  CHECK(world.updates[1].kind == Update::Kind::kAbort);
  CHECK(world.updates[2].kind == Update::Kind::kAbort);
}

TEST_CASE("with automatic prefetch nothing is fetched ahead before twenty outcomes are known",
          "[dispatcher]") {
  Limits limits = PlainLimits(2);
  limits.prefetch.reset();
  World world(limits);
  world.AllReady();
  for (int i = 0; i < 19; ++i) world.RunJob(Duration{2});
  CHECK(world.core.Credit() == 2);
  world.RunJob(Duration{2});
  CHECK(world.core.Credit() == 22);  // two workers work off 20 in 20 ms

  for (int i = 0; i < 200; ++i) world.RunJob(Duration{100});
  CHECK(world.core.Credit() == 2);  // long jobs are not hoarded
}

TEST_CASE("automatic prefetch holds no more than the queue allows", "[dispatcher]") {
  for (const int most : {0, 8}) {
    Limits limits = PlainLimits(2);
    limits.prefetch.reset();
    World world(limits, QueueTraits{true, most});
    world.AllReady();
    for (int i = 0; i < 20; ++i) world.RunJob(Duration{2});
    CHECK(world.core.Credit() == 2 + most);
  }
}

TEST_CASE("a prefetched job that would start too late is given back", "[dispatcher]") {
  Limits limits = PlainLimits();
  limits.prefetch.reset();
  World world(limits);
  world.Ready(1);
  world.Job();
  world.Job();

  world.Pass(Duration{1'000});

  REQUIRE(world.updates.size() == 1);
  CHECK(world.updates[0].never_ran);
  CHECK(world.core.dispatcher().held() == 0);
}

TEST_CASE("nothing is fetched while paused or stopping or without a worker", "[dispatcher]") {
  World world(PlainLimits(2));
  CHECK(world.core.Credit() == 0);
  world.AllReady();
  CHECK(world.core.Credit() == 2);
  world.core.Pause(true);
  CHECK(world.core.Credit() == 0);
  world.core.Pause(false);
  CHECK(world.core.Credit() == 2);
  world.core.Stop(1, world.now);
  CHECK(world.core.Credit() == 0);
}

TEST_CASE("a task at its limit waits and is not fetched meanwhile", "[dispatcher]") {
  Limits limits = PlainLimits(3);
  limits.tasks["A"].limit = 1;
  World world(limits);
  for (std::uint32_t slot = 1; slot <= 3; ++slot) world.Ready(slot, Announce({"A", "B"}));
  world.Seen();

  world.Job("A");
  world.Job("A");
  world.Job("B");

  CHECK(world.Seen() == "send@1 send@2");
  CHECK(world.sent == std::vector<std::string>{"j1", "j3"});
  CHECK(world.subscribed == std::vector<std::string>{"B"});
  world.Answer(1, Outcome::kDone);
  CHECK(world.sent.back() == "j2");
}

TEST_CASE("a lost session forgets what is held and lets the running job run", "[dispatcher]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  world.Job();

  world.core.OnSessionLost();
  CHECK(world.core.dispatcher().held() == 0);
  CHECK(world.StateOf(1) == State::kBusy);
  world.Answer(1, Outcome::kDone);

  CHECK(world.updates.size() == 1);
}

TEST_CASE("an outcome for another delivery changes nothing", "[dispatcher]") {
  World world(PlainLimits());
  CHECK(world.Answer(1, Outcome::kDone) == Core::OutcomeIs::kBeforeReady);
  world.Ready(1);
  CHECK(world.Answer(1, Outcome::kDone) == Core::OutcomeIs::kUnknown);
  world.Job();
  OutcomeReport report;
  CHECK(world.core.OnOutcome(SlotId{1}, "0123456789abcdef", report, world.now) ==
        Core::OutcomeIs::kUnknown);
  CHECK(world.StateOf(1) == State::kBusy);
  CHECK(world.updates.empty());
}

}  // namespace workmand
