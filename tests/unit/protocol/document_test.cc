// docs/protocol.md must not lie: every JSON line of its ```json blocks and of its transcripts goes
// through the codec.
#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "protocol/decode.h"
#include "protocol/json_slicer.h"
#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

enum class Sender { kEither, kDaemon, kWorker };

struct Example {
  Sender sender = Sender::kEither;
  std::string line;
  int number = 0;  ///< line of the document
};

/// Lines of the ```json blocks, and the `> ` and `< ` lines of the ```transcript blocks.
std::vector<Example> Examples() {
  std::vector<Example> examples;
  std::string block;
  int number = 0;
  for (const std::string& line : LinesOf("docs/protocol.md")) {
    ++number;
    if (line.substr(0, 3) == "```") {
      block = block.empty() ? line.substr(3) : std::string();
    } else if (block == "json" && !line.empty()) {
      examples.push_back({Sender::kEither, line, number});
    } else if (block == "transcript" && line.substr(0, 2) == "> ") {
      examples.push_back({Sender::kDaemon, line.substr(2), number});
    } else if (block == "transcript" && line.substr(0, 2) == "< ") {
      examples.push_back({Sender::kWorker, line.substr(2), number});
    }
  }
  REQUIRE(block.empty());
  return examples;
}

std::string TypeOf(std::string_view line) {
  Object object;
  if (Object::Parse(line, object) != JsonError::kNone) return {};
  return ReadString(object.Find("type")).value_or(std::string());
}

bool IsDaemonType(const std::string& type) {
  constexpr std::array<std::string_view, 6> kTypes{"hello",    "job",   "cancel",
                                                   "shutdown", "reply", "ping"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

/// The envelope again without any space of its own.
std::string Compact(const Object& object) {
  std::string text = "{";
  for (const Member& member : object) {
    if (text.size() > 1) text += ",";
    text += "\"" + std::string(member.key) + "\":" + std::string(member.value);
  }
  return text + "}";
}

void CheckDaemonLine(const std::string& line) {
  Object object;
  REQUIRE(Object::Parse(line, object) == JsonError::kNone);
  REQUIRE(IsDaemonType(TypeOf(line)));
  CHECK(object.begin()[0].key == "type");
  const std::string type = TypeOf(line);
  if (type != "hello" && type != "shutdown") CHECK(object.begin()[1].key == "id");
  CHECK(Compact(object) == line);
}

TEST_CASE("every JSON line of the document passes the codec", "[protocol]") {
  int daemon = 0;
  int worker = 0;
  for (const Example& example : Examples()) {
    CAPTURE(example.number, example.line);
    const bool from_daemon =
        example.sender == Sender::kDaemon ||
        (example.sender == Sender::kEither && IsDaemonType(TypeOf(example.line)));
    if (from_daemon) {
      CheckDaemonLine(example.line);
      ++daemon;
    } else if (example.sender == Sender::kEither || example.line.front() == '{') {
      CHECK(Complaint(Decode(example.line)).empty());
      ++worker;
    }
  }
  CHECK(daemon >= 20);
  CHECK(worker >= 20);
}

TEST_CASE("what the transcripts show as noise is no message", "[protocol]") {
  int noise = 0;
  for (const Example& example : Examples()) {
    if (example.sender != Sender::kWorker || example.line.front() == '{') continue;
    CAPTURE(example.number, example.line);
    CHECK(std::holds_alternative<Garbage>(Decode(example.line)));
    ++noise;
  }
  CHECK(noise > 0);
}

TEST_CASE("the document shows every message at least once", "[protocol]") {
  std::string all;
  for (const Example& example : Examples()) all += " " + TypeOf(example.line);
  for (const std::string_view type :
       {"hello", "ready", "job", "done", "fail", "abort", "progress", "data", "log", "heartbeat",
        "enqueue", "retire", "cancel", "shutdown", "reply", "ping", "pong"}) {
    INFO(type);
    CHECK(all.find(" " + std::string(type)) != std::string::npos);
  }
}

}  // namespace
}  // namespace workman::protocol
