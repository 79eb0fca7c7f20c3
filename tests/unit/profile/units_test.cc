#include "daemon/profile/units.h"

#include <limits>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

template <typename T>
std::string Complaint(const Result<T>& result) {
  return result ? "" : result.error().message;
}

}  // namespace

TEST_CASE("a duration has a unit or is in seconds", "[profile]") {
  struct Case {
    const char* text;
    Duration value;
  };
  const auto [text, value] = GENERATE(values<Case>({
      {"0", Duration{0}},
      {"0s", Duration{0}},
      {"20", seconds(20)},
      {"1.5", Duration{1'500}},
      {"500ms", Duration{500}},
      {"20s", seconds(20)},
      {"1.5s", Duration{1'500}},
      {"0.001s", Duration{1}},
      {"5m", minutes(5)},
      {"1h", hours(1)},
      {"0.5h", minutes(30)},
      {"30d", hours(720)},
      {"36500d", hours(876'000)},
      {"infinity", kInfinite},
  }));

  CHECK(ParseDuration(text).value() == value);
}

TEST_CASE("what is no duration is refused with what is accepted", "[profile]") {
  const std::string accepted =
      "must be a duration such as 500ms, 20s, 5m, 1h, 30d or a number of seconds (got '";

  for (const std::string text :
       {"", "s", "fast", "20 s", "20x", "20S", "1h30m", "+5s", " 5s", "1.s", ".5s", "1e3", "0x10s",
        "inf", "1.0000001s", "99999999999999999999s", "-", "-s"}) {
    CHECK(Complaint(ParseDuration(text)) == accepted + text + "')");
  }
  CHECK(Complaint(ParseDuration("-5s")) == "must not be negative (got '-5s')");
  CHECK(Complaint(ParseDuration("0.5ms")) ==
        "must be a whole number of milliseconds (got '0.5ms')");
  CHECK(Complaint(ParseDuration("36501d")) == "must be at most 36500d (got '36501d')");
  CHECK(Complaint(ParseDuration("18446744073709551615d")) ==
        "must be at most 36500d (got '18446744073709551615d')");
}

TEST_CASE("a printed duration reads back as the same one", "[profile]") {
  CHECK(PrintDuration(Duration{0}) == "0s");
  CHECK(PrintDuration(Duration{1}) == "1ms");
  CHECK(PrintDuration(Duration{1'500}) == "1500ms");
  CHECK(PrintDuration(seconds(90)) == "90s");
  CHECK(PrintDuration(minutes(5)) == "5m");
  CHECK(PrintDuration(hours(24)) == "1d");
  CHECK(PrintDuration(kInfinite) == "infinity");
  CHECK(PrintDuration(-seconds(3)) == "-3s");
  for (const auto ms : {1, 999, 1'000, 59'999, 60'000, 3'600'000, 86'400'000, 86'400'001}) {
    CHECK(ParseDuration(PrintDuration(Duration{ms})).value() == Duration{ms});
  }
}

TEST_CASE("a size has a binary unit or is in bytes", "[profile]") {
  struct Case {
    const char* text;
    std::uint64_t value;
  };
  const auto [text, value] = GENERATE(values<Case>({
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"4KiB", 4'096},
      {"256MiB", 268'435'456},
      {"1.5GiB", 1'610'612'736},
      {"1TiB", 1'099'511'627'776},
      {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()},
  }));

  CHECK(ParseSize(text).value() == value);
}

TEST_CASE("what is no size is refused with what is accepted", "[profile]") {
  const std::string accepted =
      "must be a size such as 64KiB, 256MiB, 2GiB or a number of bytes (got '";

  for (const std::string text : {"", "MiB", "256MB", "256M", "256 MiB", "-1", "1k", "lots"}) {
    CHECK(Complaint(ParseSize(text)) == accepted + text + "')");
  }
  CHECK(Complaint(ParseSize("0.3B")) == "must be a whole number of bytes (got '0.3B')");
  CHECK(Complaint(ParseSize("18446744073709551615TiB")) ==
        "is more bytes than a machine can count (got '18446744073709551615TiB')");
}

TEST_CASE("a printed size takes the largest unit that fits", "[profile]") {
  CHECK(PrintSize(0) == "0");
  CHECK(PrintSize(1'000) == "1000");
  CHECK(PrintSize(1'024) == "1KiB");
  CHECK(PrintSize(16'777'216) == "16MiB");
  CHECK(PrintSize(std::uint64_t{3} << 40U) == "3TiB");
}

TEST_CASE("a share is a percentage or a fraction", "[profile]") {
  CHECK(ParseFraction("10%").value() == 0.1);
  CHECK(ParseFraction("0.1").value() == 0.1);
  CHECK(ParseFraction("0").value() == 0);
  CHECK(ParseFraction("1").value() == 1);
  CHECK(ParseFraction("100%").value() == 1);
  CHECK(ParseFraction("12.5%").value() == 0.125);
  for (const std::string text : {"", "%", "-1%", "ten", "nan", "inf", "10 %", "10%%"}) {
    CHECK(Complaint(ParseFraction(text)) ==
          "must be a share such as 10% or 0.1 (got '" + text + "')");
  }
  CHECK(Complaint(ParseFraction("10")) == "must be at most 100% (got '10')");
  CHECK(Complaint(ParseFraction("101%")) == "must be at most 100% (got '101%')");
}

TEST_CASE("a printed share reads back as the same one", "[profile]") {
  CHECK(PrintFraction(0.1) == "10%");
  CHECK(PrintFraction(0) == "0%");
  CHECK(PrintFraction(1) == "100%");
  for (const double fraction : {0.1, 0.2, 0.07, 0.3333333333, 1.0 / 3, 0.29, 1e-9}) {
    CHECK(ParseFraction(PrintFraction(fraction)).value() == fraction);
  }
}

}  // namespace workmand
