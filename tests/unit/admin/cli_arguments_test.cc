// What `workman enqueue` says about arguments before it puts them anywhere.
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "daemon/cli/arguments.h"

namespace workmand::cli {
namespace {

std::string Refusal(std::string_view bytes, PayloadKind kind = PayloadKind::kJson) {
  const Result<void> good = CheckArguments(bytes, kind);
  return good ? "accepted" : good.error().message;
}

TEST_CASE("any JSON value is good as arguments", "[cli]") {
  for (const std::string_view text :
       {"null", "1", "-5", "\"x\"", "[1,2]", "{}", " {\n \"a\": 12345678901234567890123}\n"}) {
    CAPTURE(text);
    CHECK(Refusal(text) == "accepted");
  }
}

TEST_CASE("bad JSON is refused with its place", "[cli]") {
  CHECK(Refusal("{\"a\":}") ==
        "the arguments are not valid JSON: something else was expected (line 1, column 6, at "
        "\"}\")");
  CHECK(Refusal("{\n  \"a\": 1,\n  oops\n}") ==
        "the arguments are not valid JSON: something else was expected (line 3, column 3, at "
        "\"oops\")");
  CHECK(Refusal("[1,2") ==
        "the arguments are not valid JSON: something else was expected (line 1, column 5, at the "
        "end)");
  CHECK(Refusal("1 2") ==
        "the arguments are not valid JSON: something else was expected (line 1, column 3, at "
        "\"2\")");
}

TEST_CASE("empty arguments are not JSON and the message says empty", "[cli]") {
  CHECK(Refusal("") == "the arguments are not valid JSON: they are empty");
  CHECK(Refusal(" \n") == "the arguments are not valid JSON: they are empty");
}

TEST_CASE("bytes that are not UTF-8 are refused in JSON and in text", "[cli]") {
  CHECK(Refusal("\"\xff\"").find("not valid UTF-8") != std::string::npos);
  CHECK(Refusal("\xff", PayloadKind::kText).find("not valid UTF-8") != std::string::npos);
  CHECK(Refusal("plain words", PayloadKind::kText) == "accepted");
}

TEST_CASE("arguments that nest too deep for a message are refused", "[cli]") {
  const std::string deep = std::string(100'000, '[');
  CHECK(Refusal(deep).find("they nest too deep") != std::string::npos);
}

TEST_CASE("binary payloads take any bytes", "[cli]") {
  CHECK(Refusal(std::string("\0\xff", 2), PayloadKind::kBase64) == "accepted");
  CHECK(Refusal(std::string("\0\xff", 2), PayloadKind::kAuto) == "accepted");
}

}  // namespace
}  // namespace workmand::cli
