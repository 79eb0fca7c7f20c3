#include "daemon/modes/exit_meaning.h"

#include <map>
#include <string>

#include <catch2/catch.hpp>

namespace workmand {

TEST_CASE("every exit code has the meaning of the table", "[modes]") {
  const std::map<int, ExitMeaning> table = {
      {0, ExitMeaning::kDone},       {64, ExitMeaning::kPermanent}, {65, ExitMeaning::kPermanent},
      {66, ExitMeaning::kPermanent}, {75, ExitMeaning::kRetry},     {76, ExitMeaning::kPermanent},
      {77, ExitMeaning::kPermanent}, {78, ExitMeaning::kHold},      {79, ExitMeaning::kAbort},
      {126, ExitMeaning::kHold},     {127, ExitMeaning::kHold}};

  for (int code = 0; code <= 255; ++code) {
    const auto row = table.find(code);
    const ExitMeaning usual = code < 128 ? ExitMeaning::kRetry : ExitMeaning::kLost;
    INFO(code);
    CHECK(MeaningOf(code, {}) == (row == table.end() ? usual : row->second));
  }
}

TEST_CASE("the profile's word about an exit code wins over the table", "[modes]") {
  const std::map<int, ExitMeaning> stated = {
      {0, ExitMeaning::kRetry}, {3, ExitMeaning::kPermanent}, {127, ExitMeaning::kRetry}};

  CHECK(MeaningOf(0, stated) == ExitMeaning::kRetry);
  CHECK(MeaningOf(3, stated) == ExitMeaning::kPermanent);
  CHECK(MeaningOf(127, stated) == ExitMeaning::kRetry);
  CHECK(MeaningOf(4, stated) == ExitMeaning::kRetry);
}

TEST_CASE("the last line of stderr is the last that is not blank", "[modes]") {
  CHECK(LastLine("one\ntwo: no such file\n\n  \n") == "two: no such file");
  CHECK(LastLine("only") == "only");
  CHECK(LastLine("").empty());
  CHECK(LastLine(" \n\n").empty());
  CHECK(LastLine(std::string(1000, 'x')).size() == 200);
}

}  // namespace workmand
