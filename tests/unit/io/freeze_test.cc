#include "daemon/io/freeze.h"

#include <catch2/catch.hpp>

namespace workmand::io {
namespace {

constexpr TimePoint kT0{std::chrono::hours(1)};

constexpr TimePoint At(int ms) {
  return kT0 + Duration{ms};
}

}  // namespace

TEST_CASE("without a freeze the clock shows the real time", "[io]") {
  FreezeClock clock(kT0);
  clock.Sleep(At(0), Duration{500});

  CHECK(clock.Observe(At(500)) == At(500));
  CHECK(clock.Observe(At(900)) == At(900));
  CHECK(clock.frozen() == Duration{0});
}

TEST_CASE("an early wake-up is no freeze", "[io]") {
  FreezeClock clock(kT0);
  clock.Sleep(At(0), Duration{60'000});

  CHECK(clock.Observe(At(10)) == At(10));
}

TEST_CASE("waking up to a second late is load and counts as time", "[io]") {
  FreezeClock clock(kT0);
  clock.Sleep(At(0), Duration{500});

  CHECK(clock.Observe(At(1500)) == At(1500));
}

TEST_CASE("waking later than that takes the whole delay out of the time", "[io]") {
  FreezeClock clock(kT0);
  clock.Sleep(At(0), Duration{500});

  CHECK(clock.Observe(At(10'501)) == At(500));
  CHECK(clock.Observe(At(10'600)) == At(599));
  CHECK(clock.frozen() == Duration{10'001});
}

TEST_CASE("a sleep without an end cannot be too long", "[io]") {
  FreezeClock clock(kT0);
  clock.Sleep(At(0), std::nullopt);

  CHECK(clock.Observe(At(1'000'000)) == At(1'000'000));
}

TEST_CASE("a freeze between two sleeps is taken out as well", "[io]") {
  FreezeClock clock(kT0);
  clock.Sleep(At(0), std::nullopt);
  clock.Observe(At(100));

  clock.Sleep(At(5100), Duration{1000});

  CHECK(clock.Observe(At(5200)) == At(200));
}

TEST_CASE("the clock never goes back", "[io]") {
  FreezeClock clock(kT0);
  TimePoint last = clock.Observe(At(0));
  int real = 0;
  for (int step = 0; step < 2000; ++step) {
    const auto planned = step % 3 == 0 ? std::nullopt : std::optional(Duration{step * 7 % 1500});
    clock.Sleep(At(real), planned);
    real += step * 31 % 4001;

    const TimePoint shown = clock.Observe(At(real));

    REQUIRE(shown >= last);
    last = shown;
  }
  CHECK(clock.frozen() > Duration{0});
}

}  // namespace workmand::io
