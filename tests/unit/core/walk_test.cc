// Random walks: any order of events keeps the books. The seed of a failure is printed.
#include "tests/unit/core/world.h"

namespace workmand {
namespace {

struct Walk {
  Walk(std::uint64_t seed, QueueTraits traits)
      : random(seed), world(MakeWalkLimits(random), traits, seed) {}

  static Limits MakeWalkLimits(Random& random) {
    Limits limits = PlainLimits(1 + static_cast<int>(random.Next() % 5));
    limits.max_jobs = static_cast<int>(random.Next() % 4) * 3;
    limits.time_limit = Duration{random.Next() % 2 == 0 ? 0 : 500};
    limits.max_lifetime = Duration{random.Next() % 3 == 0 ? 2'000 : 0};
    limits.graceful_stop = Duration{1'000};
    limits.graceful_restart = Duration{700};
    limits.max_attempts = 2;
    limits.max_surge = static_cast<int>(random.Next() % 3);
    limits.max_unavailable = limits.max_surge == 0 ? 1 : 0;
    limits.prefetch.reset();
    if (random.Next() % 2 == 0) limits.min_workers = 1;
    return limits;
  }

  Slot* AnySlot() {
    const auto& slots = world.core.workers().slots();
    if (slots.empty()) return nullptr;
    return slots[random.Next() % slots.size()].get();
  }

  void Step() {
    Slot* slot = AnySlot();
    const auto pick = random.Next() % 100;
    if (pick < 20) {
      if (slot != nullptr && slot->state == State::kBooting) {
        auto announced = Announce();
        announced->cancel = random.Next() % 2 == 0;
        announced->handles_term = random.Next() % 2 == 0;
        announced->concurrency = 1 + static_cast<int>(random.Next() % 2);
        announced->prefetch = static_cast<int>(random.Next() % 2);
        world.Ready(slot->id.value, announced);
      }
    } else if (pick < 45) {
      for (auto n = random.Next() % 3; n > 0; --n) {
        world.Job("Echo", 1 + static_cast<int>(random.Next() % 2));
      }
    } else if (pick < 70) {
      if (slot != nullptr && !slot->in_flight.empty()) {
        constexpr Outcome kKinds[] = {Outcome::kDone, Outcome::kDone, Outcome::kFail,
                                      Outcome::kAbort};
        world.Answer(slot->id.value, kKinds[random.Next() % 4]);
      }
    } else if (pick < 80) {
      if (slot != nullptr && slot->Alive()) {
        world.Gone(slot->id.value, random.Next() % 2 == 0
                                       ? Exit{0, std::nullopt, "exit 0", false}
                                       : Exit{std::nullopt, 9, "signal 9", false});
      }
    } else if (pick < 93) {
      world.Pass(Duration{static_cast<std::int64_t>(random.Next() % 300)});
    } else {
      Disturb(slot);
    }
  }

  void Disturb(Slot* slot) {
    switch (random.Next() % 6) {
      case 0:
        world.core.Reload(std::make_shared<const Limits>(MakeWalkLimits(random)), world.now);
        break;
      case 1: world.core.Scale(static_cast<int>(random.Next() % 6), world.now); break;
      case 2: world.core.Pause(random.Next() % 2 == 0); break;
      case 3:
        if (slot != nullptr && slot->Alive()) world.core.OnRetire(slot->id, world.now);
        break;
      case 4:
        if (slot != nullptr && slot->Alive()) {
          world.core.OnViolation(slot->id, random.Next() % 3 == 0, true, world.now);
        }
        break;
      default: world.core.OnSessionLost(); break;
    }
    world.Turn();
  }

  void CheckBooks() const {
    const Dispatcher& jobs = world.core.dispatcher();
    const JobCounts& counts = jobs.counts();
    std::size_t flying = 0;
    for (const auto& slot : world.core.workers().slots()) {
      flying += slot->in_flight.size();
      const bool may_fly = slot->state == State::kBusy || slot->state == State::kDraining ||
                           slot->state == State::kAborting || slot->state == State::kKilling;
      CHECK((slot->in_flight.empty() || may_fly));
      CHECK((slot->state != State::kBusy || !slot->in_flight.empty()));
      CHECK((slot->announced == nullptr ||
             slot->in_flight.size() <= static_cast<std::size_t>(slot->Capacity())));
      // Whoever climbs the ladder has a deadline for the next rung.
      if (slot->state == State::kBooting || slot->state >= State::kClosing) {
        CHECK(slot->deadline != kNever);
        CHECK(world.core.NextDeadline() <= slot->deadline);
      }
    }
    CHECK(flying == jobs.in_flight());
    CHECK(counts.taken == counts.settled + jobs.held() + flying);
    CHECK(world.core.Credit() >= 0);
  }

  Random random;
  World world;
};

void RunWalks(QueueTraits traits, std::uint64_t first) {
  for (std::uint64_t seed = first; seed < first + 150; ++seed) {
    INFO("seed " << seed);
    Walk walk(seed, traits);
    for (int step = 0; step < 400; ++step) {
      walk.Step();
      walk.CheckBooks();
    }
    // A stop ends every walk: nothing is in hand and nothing is left.
    walk.world.core.Stop(1, walk.world.now);
    walk.world.Turn();
    for (int i = 0; i < 100 && !walk.world.Saw("stopped"); ++i) {
      walk.world.Pass(Duration{500});
      for (const auto& slot : walk.world.core.workers().slots()) {
        const bool dies = slot->state == State::kKilling || slot->state == State::kAborting ||
                          (slot->state == State::kClosing && i % 2 == 0);
        if (dies) walk.world.Gone(slot->id.value, {std::nullopt, 9, "signal 9", false});
      }
    }
    CHECK(walk.world.Saw("stopped"));
    const JobCounts& counts = walk.world.core.dispatcher().counts();
    CHECK(counts.taken == counts.settled);
  }
}

}  // namespace

TEST_CASE("taken equals settled plus held plus in flight on any walk", "[walk]") {
  RunWalks(QueueTraits{true}, 1);
}

TEST_CASE("the books hold with retries in hand too", "[walk]") {
  RunWalks(QueueTraits{false}, 1000);
}

}  // namespace workmand
