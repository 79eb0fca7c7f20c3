#include "daemon/modes/filter_answer.h"

#include <string>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

std::string Read(const LinesOptions& options, std::string_view frame) {
  AnswerReader reader(options);
  const FilterAnswer answer = reader.Read(frame);
  return (answer.ok ? "ok " : "fail " + answer.message + " ") + std::string(answer.bytes);
}

}  // namespace

TEST_CASE("an answer is JSON or text as the profile says", "[modes]") {
  LinesOptions options;
  CHECK(Read(options, R"( {"a": 1.10} )") == R"(ok {"a": 1.10})");
  CHECK(Read(options, "") == "ok null");
  CHECK(Read(options, "hello").find("fail the output is not one JSON value") == 0);

  options.result = OutputKind::kText;
  CHECK(Read(options, " hello ") == "ok  hello ");
}

TEST_CASE("an answer that matches error_match is a failure with its text", "[modes]") {
  LinesOptions options;
  options.result = OutputKind::kText;
  options.error_match = "^ERR(OR)? ";

  CHECK(Read(options, "ERR no such key") ==
        R"(fail ERR no such key {"code":"filter_error","message":"ERR no such key"})");
  CHECK(Read(options, "no ERR here") == "ok no ERR here");
  CHECK(Read(options, std::string("x\0ERR ", 6)) == "ok " + std::string("x\0ERR ", 6));
}

TEST_CASE("an answer whose error_key is not null is a failure", "[modes]") {
  LinesOptions options;
  options.error_key = "error";

  CHECK(Read(options, R"({"error":"too big"})") ==
        R"(fail too big {"code":"filter_error","message":"too big"})");
  CHECK(Read(options, R"({"error":{"message":"m","code":"c","x":1}})") ==
        R"(fail m {"message":"m","code":"c","x":1})");
  CHECK(Read(options, R"({"error":7})") == R"(fail 7 {"code":"filter_error","message":"7"})");
  CHECK(Read(options, R"({"error":null,"a":1})") == R"(ok {"error":null,"a":1})");
  CHECK(Read(options, R"({"error":false})") == R"(ok {"error":false})");
  CHECK(Read(options, R"({"errors":1})") == R"(ok {"errors":1})");
  CHECK(Read(options, R"(["error"])") == R"(ok ["error"])");
}

}  // namespace workmand
