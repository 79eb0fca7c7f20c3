// Whether two JSON texts mean the same, as the kit for workers compares results.
#include <string>

#include <catch2/catch.hpp>

#include "daemon/cli/json_equal.h"
#include "daemon/cli/worker_lines.h"

namespace workmand::cli {
namespace {

TEST_CASE("Equal JSON texts may look different") {
  CHECK(SameJson("1", "1.0"));
  CHECK(SameJson("1e2", "100"));
  CHECK(SameJson("12345678901234567890123", "12345678901234567890123"));
  CHECK(SameJson(R"("\u00e9\n")", "\"é\\u000a\""));
  CHECK(SameJson(R"("\ud83d\ude00")", "\"😀\""));
  CHECK(SameJson("[1, [ ], { }]", "[1,[],{}]"));
  CHECK(SameJson(R"({"a":1,"b":[true,null]})", R"( { "b" : [ true , null ] , "a" : 1.0 } )"));
  CHECK(SameJson(R"({"\u0061":{"x":"y"}})", R"({"a":{"x":"\u0079"}})"));
}

TEST_CASE("Other JSON texts are not equal") {
  CHECK_FALSE(SameJson("1", "2"));
  CHECK_FALSE(SameJson("1", "\"1\""));
  CHECK_FALSE(SameJson("null", "false"));
  CHECK_FALSE(SameJson("0", "null"));
  CHECK_FALSE(SameJson("[1,2]", "[2,1]"));
  CHECK_FALSE(SameJson("[1]", "[1,1]"));
  CHECK_FALSE(SameJson("[]", "{}"));
  CHECK_FALSE(SameJson(R"({"a":1})", R"({"a":1,"b":1})"));
  CHECK_FALSE(SameJson(R"({"a":1})", R"({"b":1})"));
  CHECK_FALSE(SameJson(R"("a")", R"("A")"));
  CHECK_FALSE(SameJson("", "null"));
}

TEST_CASE("A line for a report is one line and not too long") {
  constexpr std::size_t kMost = 10;
  CHECK(OnOneShortLine("short\n", kMost) == "short");
  CHECK(OnOneShortLine("a\nb\tc\x1b", kMost) == R"(a\nb\tc\u001b)");
  CHECK(OnOneShortLine(R"({"a":"\\"})", kMost) == R"({"a":"\\"})");
  CHECK(OnOneShortLine("0123456789x", kMost) == "0123456789… (11 bytes)");
  // A character is not cut in two.
  CHECK(OnOneShortLine("012345678éx", kMost) == "012345678… (12 bytes)");
}

TEST_CASE("Delivery ids are what shells can splice and never the same") {
  const std::string id = NewDeliveryId();
  CHECK(id.size() == 16);
  CHECK(id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
        std::string::npos);
  CHECK(NewDeliveryId() != id);
}

}  // namespace
}  // namespace workmand::cli
