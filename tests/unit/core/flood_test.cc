#include "daemon/core/flood.h"

#include <catch2/catch.hpp>

namespace workmand {
namespace {

constexpr TimePoint kStart = TimePoint{} + std::chrono::hours(1);

TimePoint At(int seconds, int ms = 0) {
  return kStart + std::chrono::seconds(seconds) + std::chrono::milliseconds(ms);
}

/// Adds so many lines of one byte in that second; whether one of them made it a flood.
bool Pour(FloodMeter& meter, std::size_t lines, int second) {
  bool flood = false;
  for (std::size_t i = 0; i < lines; ++i) flood = meter.Add(1, 1, At(second)) || flood;
  return flood;
}

}  // namespace

TEST_CASE("a second has room for a thousand lines and counts the others", "[core]") {
  LineBudget budget;
  for (int i = 0; i < 1000; ++i) REQUIRE(budget.Take(At(0, i / 2)));

  CHECK_FALSE(budget.Take(At(0, 600)));
  CHECK_FALSE(budget.Take(At(0, 999)));

  CHECK(budget.TakeDropped() == 2);
  CHECK(budget.TakeDropped() == 0);
  CHECK(budget.Take(At(1)));
}

TEST_CASE("a mebibyte in a second is no flood and one byte more is", "[core]") {
  FloodMeter meter;
  CHECK_FALSE(meter.Add(FloodMeter::kBytes, 1, At(0)));
  CHECK(meter.Add(1, 1, At(0, 999)));
  CHECK_FALSE(meter.Add(FloodMeter::kBytes, 1, At(0, 999)));

  CHECK_FALSE(meter.Add(2 * FloodMeter::kBytes, 1, At(1)));  // it may not have noticed yet
  CHECK_FALSE(meter.Add(FloodMeter::kBytes, 1, At(2)));
  CHECK(meter.Add(1, 1, At(2)));
}

TEST_CASE("a thousand lines a second are a flood only after ten seconds of it", "[core]") {
  FloodMeter meter;
  for (int second = 0; second < 9; ++second) CHECK_FALSE(Pour(meter, 1001, second));

  CHECK_FALSE(Pour(meter, 1000, 9));
  CHECK(Pour(meter, 1, 9));
  CHECK_FALSE(Pour(meter, 1001, 10));
  CHECK(Pour(meter, 1001, 11));  // and it goes on
}

TEST_CASE("a quieter second and a silent one each begin the count again", "[core]") {
  FloodMeter meter;
  for (int second = 0; second < 9; ++second) (void)Pour(meter, 1001, second);
  (void)Pour(meter, 1000, 9);
  for (int second = 10; second < 19; ++second) CHECK_FALSE(Pour(meter, 2000, second));

  for (int second = 20; second < 29; ++second) CHECK_FALSE(Pour(meter, 2000, second));
  CHECK(Pour(meter, 2000, 29));
}

}  // namespace workmand
