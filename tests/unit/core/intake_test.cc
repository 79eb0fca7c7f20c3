#include "daemon/core/intake.h"

#include <catch2/catch.hpp>

namespace workmand {

TEST_CASE("a worker is full above its high mark and has room again below the low one", "[core]") {
  Intake intake;
  intake.Add(1, Intake::kHigh);
  CHECK_FALSE(intake.Full(1));
  intake.Add(1, 1);
  CHECK(intake.Full(1));
  CHECK_FALSE(intake.Full(2));

  intake.Remove(1, Intake::kHigh - Intake::kLow);
  CHECK_FALSE(intake.Full(1));
  CHECK_FALSE(intake.HasRoom(1));
  intake.Remove(1, 1);
  CHECK(intake.HasRoom(1));

  intake.Remove(1, Intake::kLow);
  CHECK(intake.total() == 0);
}

TEST_CASE("many workers below their own mark are full together", "[core]") {
  Intake intake;
  const std::uint64_t workers = Intake::kAllHigh / Intake::kHigh;
  for (std::uint64_t one = 1; one <= workers; ++one) intake.Add(one, Intake::kHigh);
  CHECK_FALSE(intake.Full(1));

  intake.Add(workers + 1, 1);
  CHECK(intake.Full(workers + 1));
  CHECK(intake.Full(workers + 2));  // also one that has nothing there

  for (std::uint64_t one = 1; one <= workers / 2; ++one) intake.Remove(one, Intake::kHigh);
  CHECK_FALSE(intake.HasRoom(1));
  intake.Remove(workers + 1, 1);
  CHECK(intake.HasRoom(1));
  CHECK_FALSE(intake.HasRoom(workers));
}

}  // namespace workmand
