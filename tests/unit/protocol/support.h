// What several tests of this room need: the golden files, and a look into a decoded line. It runs
// under Catch2 and stops the test at what is not as expected.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "protocol/decode.h"
#include "protocol/json_text.h"

namespace workman::protocol {

inline std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(std::string(SOURCE_DIR) + "/" + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  INFO(path);
  REQUIRE_FALSE(lines.empty());
  return lines;
}

inline std::vector<std::string> GoldenLines(const std::string& name) {
  return LinesOf("protocol/testdata/" + name);
}

inline std::vector<nlohmann::json> GoldenRecords(const std::string& name) {
  std::vector<nlohmann::json> records;
  for (const std::string& line : GoldenLines(name)) records.push_back(nlohmann::json::parse(line));
  return records;
}

/// The bytes of a record's `name`, or of its `name_b64`.
inline std::string Bytes(const nlohmann::json& record, const std::string& name) {
  if (record.contains(name)) return record.at(name).get<std::string>();
  return DecodeBase64(record.at(name + "_b64").get<std::string>()).value();
}

/// Why a decoded line is no message; empty when it is one.
inline std::string Complaint(const Decoded& decoded) {
  if (const auto* garbage = std::get_if<Garbage>(&decoded)) return "garbage: " + garbage->why;
  if (const auto* malformed = std::get_if<Malformed>(&decoded)) return malformed->why;
  if (std::holds_alternative<Foreign>(decoded)) return "foreign";
  if (std::holds_alternative<Blank>(decoded)) return "blank";
  return {};
}

/// Decodes `line`, which must be a message of this type and must outlive the result.
template <typename Message>
Message Take(std::string_view line) {
  const Decoded decoded = Decode(line);
  INFO(line);
  INFO(Complaint(decoded));
  REQUIRE(std::holds_alternative<FromWorker>(decoded));
  REQUIRE(std::holds_alternative<Message>(std::get<FromWorker>(decoded)));
  return std::get<Message>(std::get<FromWorker>(decoded));
}

/// Decodes `line`, which must break the contract.
inline Malformed TakeMalformed(std::string_view line) {
  const Decoded decoded = Decode(line);
  INFO(line);
  REQUIRE(std::holds_alternative<Malformed>(decoded));
  return std::get<Malformed>(decoded);
}

inline std::string Nested(int depth) {
  const auto count = static_cast<std::size_t>(depth);
  return std::string(count, '[') + std::string(count, ']');
}

}  // namespace workman::protocol
