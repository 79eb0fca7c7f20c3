#include <catch2/catch.hpp>

#include "daemon/base/log.h"
#include "daemon/base/time.h"

namespace workmand {

TEST_CASE("a deadline saturates instead of overflowing", "[base]") {
  constexpr TimePoint kT0{};
  CHECK(After(kT0, Duration{5}) == kT0 + Duration{5});
  CHECK(After(kT0, kInfinite) == kNever);
  CHECK(After(kNever, Duration{5}) == kNever);
  CHECK(After(kT0, std::chrono::hours(24 * 365 * 60)) == kNever);
}

TEST_CASE("the time until a moment is rounded up and never negative", "[base]") {
  constexpr TimePoint kT0{};
  CHECK(Until(kT0, kT0 + std::chrono::microseconds(1)) == Duration{1});
  CHECK(Until(kT0 + Duration{7}, kT0) == Duration{0});
  CHECK(Until(kT0, kNever) == kInfinite);
}

TEST_CASE("every log level has a name that parses back", "[base]") {
  for (const auto level : {log::Level::kTrace, log::Level::kDebug, log::Level::kInfo,
                           log::Level::kWarn, log::Level::kError, log::Level::kOff}) {
    CHECK(log::ParseLevel(log::ToString(level)).value() == level);
  }
  CHECK_FALSE(log::ParseLevel("loud").has_value());
}

}  // namespace workmand
