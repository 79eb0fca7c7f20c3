// Jobs that ride with an outcome, and what becomes of it when the queue refuses one of them.
#include "tests/unit/core/world.h"

namespace workmand {
namespace {

/// The worker ends its job with a follow-up job; returns the update that goes to the queue.
Update EndWithFollowUp(World& world) {
  Slot& slot = world.core.slot(SlotId{1});
  const DeliveryId id = slot.in_flight.front().id;
  OutcomeReport report;
  report.kind = Outcome::kDone;
  report.enqueue.emplace_back().task = "Next";
  world.core.OnOutcome(SlotId{1}, id.view(), report, world.now);
  world.Turn();
  return world.updates.back();
}

}  // namespace

TEST_CASE("a job whose follow-up job is refused has failed and is tried again", "[settlement]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  const Update settled = EndWithFollowUp(world);
  REQUIRE(settled.kind == Update::Kind::kDone);

  CHECK(world.core.OnAnswered(settled.token, true));

  world.Turn();
  const Update& again = world.updates.back();
  CHECK(again.token == settled.token);
  CHECK(again.kind == Update::Kind::kFail);
  CHECK(again.retry);
  CHECK(again.bytes == "enqueue_failed: a follow-up job was refused by the queue");
  CHECK_FALSE(world.core.OnAnswered(settled.token, true));
}

TEST_CASE("the last attempt whose follow-up job is refused ends the job", "[settlement]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job("Echo", 3);
  const Update settled = EndWithFollowUp(world);

  world.core.OnAnswered(settled.token, true);

  world.Turn();
  CHECK_FALSE(world.updates.back().retry);
  CHECK(world.updates.back().job->attempt == 3);
  CHECK(world.core.dispatcher().counts().dead == 1);
}

TEST_CASE("a queue that cannot delay gets a refused outcome back with its count", "[settlement]") {
  World world(PlainLimits(), QueueTraits{false});
  world.Ready(1);
  world.Job();
  const Update settled = EndWithFollowUp(world);

  world.core.OnAnswered(settled.token, true);

  world.Turn();
  CHECK(world.updates.back().kind == Update::Kind::kAbort);
  CHECK(world.updates.back().job->attempt == 2);
}

TEST_CASE("follow-up jobs that were taken are forgotten", "[settlement]") {
  World world(PlainLimits());
  world.Ready(1);
  world.Job();
  const Update settled = EndWithFollowUp(world);
  const std::size_t before = world.updates.size();

  CHECK(world.core.OnAnswered(settled.token, false));

  world.Turn();
  CHECK(world.updates.size() == before);
  CHECK_FALSE(world.core.OnAnswered(settled.token, false));
}

}  // namespace workmand
