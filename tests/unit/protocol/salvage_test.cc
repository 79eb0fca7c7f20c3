#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "protocol/decode.h"
#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

TEST_CASE("every golden line is salvaged as far as it can be", "[protocol]") {
  for (const nlohmann::json& record : GoldenRecords("salvage.jsonl")) {
    INFO(record.at("name"));
    const auto line = record.at("line").get<std::string>();
    const auto live = record.at("live").get<std::vector<std::string>>();
    const std::vector<std::string_view> ids(live.begin(), live.end());

    const Salvage salvage = FindOutcome(line, ids);

    CHECK(salvage.damaged == record.at("damaged").get<bool>());
    CHECK(salvage.id == record.at("id").get<std::string>());
    CHECK(salvage.message == record.at("message").get<std::string>());
  }
}

TEST_CASE("a salvaged message decodes to the outcome of a live delivery", "[protocol]") {
  const std::string line = R"(....{"type":"done","id":"7Qm2v9xKp4TzAb","result":[1]})";
  const std::array<std::string_view, 1> live{"7Qm2v9xKp4TzAb"};

  const Salvage salvage = FindOutcome(line, live);

  REQUIRE(Take<Done>(salvage.message).id == salvage.id);
}

TEST_CASE("an outcome cut at any byte is damaged or nothing and never a message", "[protocol]") {
  const std::string whole =
      R"({"type":"done","id":"7Qm2v9xKp4TzAb","result":{"type":"done","n":[{}]}})";
  const std::array<std::string_view, 1> live{"7Qm2v9xKp4TzAb"};
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    REQUIRE(FindOutcome(std::string_view(whole).substr(0, size), live).message.empty());
  }
}

}  // namespace
}  // namespace workman::protocol
