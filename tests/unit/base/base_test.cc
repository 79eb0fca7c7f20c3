#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

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

TEST_CASE("a line of the log is text whatever a worker wrote", "[base]") {
  std::string folder = (std::filesystem::temp_directory_path() / "workmand-log-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  log::Options options;
  options.format = log::Format::kJson;
  options.file = folder + "/log";
  REQUIRE(log::Configure(options));

  // Whole characters of each length, then broken ones: cut, overlong, a surrogate, too large,
  // alone.
  log::Warn("e", {{"good", "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
                  {"bad", "\xC3|\xE0\x80\x80|\xED\xA0\x80|\xF5|\xFF\x80"},
                  {"control", std::string("\x1B\n\0\x7F", 4)}});

  REQUIRE(log::Configure({}));
  std::ifstream file(options.file);
  std::ostringstream text;
  text << file.rdbuf();
  std::filesystem::remove_all(folder);
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(text.str().find("\"good\":\"a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"") != std::string::npos);
  CHECK(text.str().find("\"bad\":\"" + bad + "|" + bad + bad + bad + "|" + bad + bad + bad + "|" +
                        bad + "|" + bad + bad + "\"") != std::string::npos);
  CHECK(text.str().find(R"("control":"\u001b\n\u0000\u007f")") != std::string::npos);
}

}  // namespace workmand
