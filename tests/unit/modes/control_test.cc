#include "daemon/modes/control.h"

#include <string>

#include <catch2/catch.hpp>

#include "protocol/decode.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

std::string Named(std::string_view line) {
  std::string scratch;
  return std::string(WithId(line, "abc", scratch));
}

}  // namespace

TEST_CASE("a control line gets the id of the job at hand", "[modes]") {
  CHECK(Named(R"({"type":"progress","done":1})") == R"({"id":"abc","type":"progress","done":1})");
  CHECK(Named(R"(  {"type":"heartbeat"})") == R"({"id":"abc","type":"heartbeat"})");
  CHECK(Named("{}") == R"({"id":"abc"})");
}

TEST_CASE("a control line that has an id or is no object stays as it is", "[modes]") {
  for (const std::string line : {R"({"type":"progress","id":"x","done":1})", "hello", "[1]",
                                 R"({"a":})", R"({"a":1,"a":2})", ""}) {
    CHECK(Named(line) == line);
  }
}

TEST_CASE("only what is said during a job can be said on the side", "[modes]") {
  const auto is_control = [](std::string_view line) {
    std::string scratch;
    const proto::Decoded decoded = proto::Decode(WithId(line, "abc", scratch));
    const auto* message = std::get_if<proto::FromWorker>(&decoded);
    REQUIRE(message != nullptr);
    return IsControl(*message);
  };

  for (const char* line :
       {R"({"type":"progress","done":1,"total":3})", R"({"type":"data","data":[1]})",
        R"({"type":"log","message":"m"})", R"({"type":"heartbeat","extend_ms":5})",
        R"({"type":"enqueue","task":"T","args":{}})"}) {
    CHECK(is_control(line));
  }
  for (const char* line :
       {R"({"type":"done","result":1})", R"({"type":"fail","error":{"message":"m"}})",
        R"({"type":"abort"})", R"({"type":"ready","tasks":["T"]})", R"({"type":"retire"})"}) {
    CHECK_FALSE(is_control(line));
  }
}

}  // namespace workmand
