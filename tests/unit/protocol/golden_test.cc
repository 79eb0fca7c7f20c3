#include <string>
#include <variant>

#include <catch2/catch.hpp>

#include "protocol/decode.h"
#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

TEST_CASE("every valid golden line is a message of its type", "[protocol]") {
  for (const std::string& line : GoldenLines("valid_from_worker.jsonl")) {
    const Decoded decoded = Decode(line);
    INFO(line);
    INFO(Complaint(decoded));
    REQUIRE(std::holds_alternative<FromWorker>(decoded));
    const auto type = nlohmann::json::parse(line, nullptr, false);
    // Lone surrogates and numbers beyond a double are ours to pass and not nlohmann's to read.
    if (type.is_discarded()) continue;
    const auto& message = std::get<FromWorker>(decoded);
    CHECK(std::holds_alternative<Ready>(message) == (type.at("type") == "ready"));
    CHECK(std::holds_alternative<Done>(message) == (type.at("type") == "done"));
    CHECK(std::holds_alternative<Fail>(message) == (type.at("type") == "fail"));
    CHECK(std::holds_alternative<Abort>(message) == (type.at("type") == "abort"));
    CHECK(std::holds_alternative<Progress>(message) == (type.at("type") == "progress"));
    CHECK(std::holds_alternative<Data>(message) == (type.at("type") == "data"));
    CHECK(std::holds_alternative<Log>(message) == (type.at("type") == "log"));
    CHECK(std::holds_alternative<Heartbeat>(message) == (type.at("type") == "heartbeat"));
    CHECK(std::holds_alternative<EnqueueRequest>(message) == (type.at("type") == "enqueue"));
    CHECK(std::holds_alternative<Retire>(message) == (type.at("type") == "retire"));
    CHECK(std::holds_alternative<Pong>(message) == (type.at("type") == "pong"));
  }
}

TEST_CASE("every foreign golden line is foreign", "[protocol]") {
  for (const std::string& line : GoldenLines("foreign.jsonl")) {
    INFO(line);
    CHECK(std::holds_alternative<Foreign>(Decode(line)));
  }
}

TEST_CASE("every garbage golden line is garbage with a reason", "[protocol]") {
  for (const nlohmann::json& record : GoldenRecords("garbage.jsonl")) {
    INFO(record.at("name"));
    const std::string line = Bytes(record, "line");
    const Decoded decoded = Decode(line);
    REQUIRE(std::holds_alternative<Garbage>(decoded));
    const auto& garbage = std::get<Garbage>(decoded);
    CHECK(garbage.starts_like_object == record.at("starts_like_object").get<bool>());
    CHECK_FALSE(garbage.why.empty());
  }
}

TEST_CASE("every malformed golden line is refused with its sentence", "[protocol]") {
  for (const nlohmann::json& record : GoldenRecords("malformed.jsonl")) {
    const auto line = record.at("line").get<std::string>();
    INFO(line);
    const Malformed malformed = TakeMalformed(line);
    CHECK(malformed.type == record.at("type").get<std::string>());
    CHECK(malformed.id == record.at("id").get<std::string>());
    CHECK(malformed.terminal == record.at("terminal").get<bool>());
    CHECK(malformed.why == record.at("why").get<std::string>());
  }
}

}  // namespace
}  // namespace workman::protocol
