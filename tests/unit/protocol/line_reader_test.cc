#include "protocol/line_reader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

struct Copy {
  std::string text;
  bool overflow = false;
  friend bool operator==(const Copy&, const Copy&) = default;
};

/// Feeds `chunks` one by one; a residue at the end of the stream is the last line.
std::vector<Copy> Read(const std::vector<std::string>& chunks, std::size_t max_line) {
  LineReader reader(max_line);
  std::vector<Copy> lines;
  const auto keep = [&lines](const Line& line) {
    lines.push_back({std::string(line.text), line.overflow});
    return true;
  };
  for (const std::string& chunk : chunks) reader.Feed(chunk, keep);
  if (const auto rest = reader.Finish()) keep(*rest);
  return lines;
}

/// The same stream whole, in single bytes, and cut in two at every byte.
std::vector<std::vector<std::string>> Cuts(const std::string& stream) {
  std::vector<std::vector<std::string>> cuts{{stream}, {}};
  for (const char c : stream) cuts[1].emplace_back(1, c);
  for (std::size_t at = 1; at < stream.size(); ++at) {
    cuts.push_back({stream.substr(0, at), stream.substr(at)});
  }
  return cuts;
}

TEST_CASE("a stream cut at any byte gives the same lines", "[protocol]") {
  const std::string stream =
      "\xEF\xBB\xBF{\"type\":\"ready\",\"tasks\":[\"\xC3\xA9\"]}\r\n\n \t\nshort\n" +
      std::string(40, 'x') + "\nafter\r\n\r\nrest";
  const std::vector<Copy> expected = Read({stream}, 32);
  REQUIRE(expected.size() == 8);

  for (const auto& chunks : Cuts(stream)) REQUIRE(Read(chunks, 32) == expected);
}

TEST_CASE("every golden stream gives its lines however it is cut", "[protocol]") {
  for (const nlohmann::json& record : GoldenRecords("framing.jsonl")) {
    INFO(record);
    std::vector<Copy> expected;
    for (const auto& line : record.at("lines")) expected.push_back({line.get<std::string>()});
    if (record.contains("unterminated")) {
      expected.push_back({record.at("unterminated").get<std::string>()});
    }

    for (const auto& chunks : Cuts(Bytes(record, "stream"))) {
      REQUIRE(Read(chunks, 1024) == expected);
    }
  }
}

TEST_CASE("a line of exactly the limit passes and one byte more overflows", "[protocol]") {
  const std::string stream = std::string(16, 'a') + "\n" + std::string(17, 'b') + "\nok\n";

  for (const auto& chunks : Cuts(stream)) {
    const std::vector<Copy> lines = Read(chunks, 16);

    REQUIRE(lines.size() == 3);
    REQUIRE(lines[0] == Copy{std::string(16, 'a'), false});
    REQUIRE(lines[1] == Copy{std::string(17, 'b'), true});
    REQUIRE(lines[2] == Copy{"ok", false});
  }
}

TEST_CASE("the limit counts a carriage return before the line feed", "[protocol]") {
  const std::vector<Copy> lines = Read({"1234567\r\n12345678\r\n"}, 8);

  REQUIRE(lines[0] == Copy{"1234567", false});
  REQUIRE(lines[1] == Copy{"12345678\r", true});
}

TEST_CASE("an overlong line keeps its first 4 KiB in bounded memory and a good line follows",
          "[protocol]") {
  const std::size_t limit = 64 << 10U;
  LineReader reader(limit);
  std::vector<Copy> lines;
  const auto keep = [&lines](const Line& line) {
    lines.push_back({std::string(line.text), line.overflow});
    return true;
  };
  std::size_t most = 0;

  for (int i = 0; i < 1000; ++i) {
    reader.Feed("{" + std::string(999, 'x'), keep);
    most = std::max(most, reader.pending());
  }
  reader.Feed("\ngood\n", keep);

  REQUIRE(most <= limit);
  REQUIRE(lines.size() == 2);
  REQUIRE(lines[0].overflow);
  REQUIRE(lines[0].text.size() == LineReader::kOverflowKept);
  REQUIRE(lines[0].text.substr(0, 3) == "{xx");
  REQUIRE(lines[1] == Copy{"good", false});
  REQUIRE(reader.pending() == 0);
}

TEST_CASE("an overlong line is known before it ends", "[protocol]") {
  LineReader reader(64);
  const auto ignore = [](const Line&) { return true; };
  reader.Feed(std::string(64, 'x'), ignore);
  CHECK_FALSE(reader.overflowing());

  reader.Feed("x", ignore);
  CHECK(reader.overflowing());
  CHECK(reader.partial().front() == 'x');

  reader.Feed("\n", ignore);
  CHECK_FALSE(reader.overflowing());
}

TEST_CASE("an overlong line without a line feed is reported at the end of the stream",
          "[protocol]") {
  const std::vector<Copy> lines =
      Read({std::string(10'000, 'x'), std::string(10'000, 'y')}, 16'384);

  REQUIRE(lines == std::vector<Copy>{{std::string(LineReader::kOverflowKept, 'x'), true}});
}

TEST_CASE("a byte order mark is dropped from the first line alone", "[protocol]") {
  const std::vector<Copy> lines = Read({"\xEF\xBB\xBF", "a\n\xEF\xBB\xBF", "b\n"}, 64);

  REQUIRE(lines == std::vector<Copy>{{"a", false},
                                     {"\xEF\xBB\xBF"
                                      "b",
                                      false}});
}

TEST_CASE("a stream that ends with a line feed leaves nothing", "[protocol]") {
  LineReader reader(64);
  int lines = 0;
  reader.Feed("a\nb\n", [&lines](const Line&) { return ++lines > 0; });

  REQUIRE(lines == 2);
  REQUIRE_FALSE(reader.Finish().has_value());
}

TEST_CASE("the end of the stream empties the reader", "[protocol]") {
  LineReader reader(64);
  reader.Feed("half", [](const Line&) { return true; });
  REQUIRE(reader.pending() == 4);

  const std::optional<Line> rest = reader.Finish();

  REQUIRE(rest.has_value());
  REQUIRE(rest->text == "half");
  REQUIRE(reader.pending() == 0);
  REQUIRE_FALSE(reader.Finish().has_value());
}

TEST_CASE("a callback that returns false gets the rest of the chunk back", "[protocol]") {
  LineReader reader(64);
  std::vector<std::string> lines;
  const auto stop_at_b = [&lines](const Line& line) {
    lines.emplace_back(line.text);
    return line.text != "b";
  };

  REQUIRE(reader.Feed("a\nb\nc\nd", stop_at_b) == "c\nd");
  REQUIRE(reader.Feed("e\nb\n", stop_at_b).empty());
  REQUIRE(reader.Feed("c\nd", stop_at_b).empty());
  REQUIRE(reader.Feed("d\n", stop_at_b).empty());

  REQUIRE(lines == std::vector<std::string>{"a", "b", "e", "b", "c", "dd"});
}

TEST_CASE("a line that lies whole in a chunk is not copied", "[protocol]") {
  LineReader reader(64);
  const std::string chunk = "abc\ndef\n";
  std::vector<const char*> places;

  reader.Feed(chunk, [&places](const Line& line) {
    places.push_back(line.text.data());
    return true;
  });

  REQUIRE(places == std::vector<const char*>{chunk.data(), chunk.data() + 4});
}

}  // namespace
}  // namespace workman::protocol
