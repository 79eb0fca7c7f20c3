#include "daemon/queue/linger.h"

#include <catch2/catch.hpp>

#include "daemon/queue/reconnect.h"

namespace workmand {
namespace {

constexpr TimePoint kT0{};
constexpr Duration kMin{100};
constexpr Duration kMax{30'000};

TEST_CASE("back-off doubles from its least to its most", "[queue]") {
  Reconnect reconnect(kMin, kMax);

  CHECK(reconnect.Lost(kT0, 1.0) == kT0 + Duration{100});
  CHECK(reconnect.Lost(kT0, 1.0) == kT0 + Duration{200});
  CHECK(reconnect.Lost(kT0, 1.0) == kT0 + Duration{400});
  for (int i = 0; i < 100; ++i) (void)reconnect.Lost(kT0, 1.0);
  CHECK(reconnect.Lost(kT0, 1.0) == kT0 + kMax);
}

TEST_CASE("back-off takes a random part of the whole", "[queue]") {
  Reconnect reconnect(kMin, kMax);

  CHECK(reconnect.Lost(kT0, 0.0) == kT0);
  CHECK(reconnect.Lost(kT0, 0.5) == kT0 + Duration{100});
  CHECK(reconnect.Lost(kT0, 0.25) == kT0 + Duration{100});
}

TEST_CASE("ten seconds of health start the back-off anew", "[queue]") {
  Reconnect reconnect(kMin, kMax);
  for (int i = 0; i < 5; ++i) (void)reconnect.Lost(kT0, 1.0);
  reconnect.Connected(kT0);

  const TimePoint later = kT0 + Reconnect::kHealthy;

  CHECK(reconnect.Lost(later, 1.0) == later + kMin);
}

TEST_CASE("a session that dies at once does not start the back-off anew", "[queue]") {
  Reconnect reconnect(kMin, kMax);
  for (int i = 0; i < 5; ++i) (void)reconnect.Lost(kT0, 1.0);
  reconnect.Connected(kT0);

  const TimePoint later = kT0 + Reconnect::kHealthy - Duration{1};

  CHECK(reconnect.Lost(later, 1.0) == later + Duration{3'200});
}

TEST_CASE("a thread that runs is never woken", "[queue]") {
  CHECK_FALSE(PostWakes(Waiting::kNot, true, 1'000));
  CHECK_FALSE(GrantWakes(Waiting::kNot, true, true));
}

TEST_CASE("a post that is not urgent ends a long wait but not a brief one", "[queue]") {
  CHECK(PostWakes(Waiting::kLong, false, 1));
  CHECK_FALSE(PostWakes(Waiting::kBrief, false, 1));
  CHECK_FALSE(PostWakes(Waiting::kBrief, false, kLingerUpdates - 1));
}

TEST_CASE("an urgent post and a full batch end a brief wait", "[queue]") {
  CHECK(PostWakes(Waiting::kBrief, true, 1));
  CHECK(PostWakes(Waiting::kBrief, false, kLingerUpdates));
}

TEST_CASE("credit wakes only a thread that had none", "[queue]") {
  CHECK(GrantWakes(Waiting::kLong, true, false));
  CHECK_FALSE(GrantWakes(Waiting::kLong, false, true));
}

TEST_CASE("credit lingers with the post that it came with", "[queue]") {
  CHECK_FALSE(GrantWakes(Waiting::kBrief, true, false));
  CHECK(GrantWakes(Waiting::kBrief, true, true));
}

TEST_CASE("after a round with posts the wait is brief", "[queue]") {
  WaitBounds bounds;
  bounds.busy = true;

  const WaitPlan plan = PlanWait(bounds, kT0);

  CHECK(plan.waiting == Waiting::kBrief);
  CHECK(plan.timeout == kLinger);
}

TEST_CASE("an idle thread waits for the whole interval", "[queue]") {
  WaitBounds bounds;
  bounds.interval = Duration{1'000};

  const WaitPlan plan = PlanWait(bounds, kT0);

  CHECK(plan.waiting == Waiting::kLong);
  CHECK(plan.timeout == Duration{1'000});
}

TEST_CASE("a wait ends in time for housekeeping and for leases", "[queue]") {
  WaitBounds bounds;
  bounds.next_tick = kT0 + Duration{300};
  CHECK(PlanWait(bounds, kT0).timeout == Duration{300});

  bounds.next_renewal = kT0 + Duration{200};
  CHECK(PlanWait(bounds, kT0).timeout == Duration{200});
  CHECK(PlanWait(bounds, kT0 + Duration{500}).timeout == Duration{0});
}

}  // namespace
}  // namespace workmand
