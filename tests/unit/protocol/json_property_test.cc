// The slicer against nlohmann: the same texts must be accepted by both, on generated values and on
// damaged copies of them. A failure prints the seed and the text.
#include <random>
#include <regex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workman::protocol {
namespace {

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::size_t Below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  std::string Value(int depth) {
    switch (Below(depth > 0 ? 8 : 5)) {
      case 0: return Pick({"true", "false", "null"});
      case 1:
      case 2: return Number();
      case 3:
      case 4: return String();
      case 5:
      case 6: return ObjectText(depth);
      default: return Array(depth);
    }
  }

  std::string ObjectText(int depth) {
    std::string text = "{" + Space();
    const std::size_t count = Below(5);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) text += "," + Space();
      // The number keeps keys apart, so that both sides see the same members.
      text += "\"" + std::to_string(i) + Inside() + "\"" + Space() + ":" + Space();
      text += Value(depth - 1) + Space();
    }
    return text + "}";
  }

  std::string Array(int depth) {
    std::string text = "[" + Space();
    const std::size_t count = Below(5);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) text += "," + Space();
      text += Value(depth - 1) + Space();
    }
    return text + "]";
  }

  /// One to three edits with bytes that mean something to a parser.
  std::string Damage(std::string text) {
    constexpr std::string_view kBytes =
        "{}[]\",:\\ \t\n\r/ubfnrtea0123456789.-+EN\x01\x1F\x7F\x80\xC3\xA9\xED\xF4\xFF";
    const std::size_t edits = 1 + Below(3);
    for (std::size_t i = 0; i < edits && !text.empty(); ++i) {
      const std::size_t at = Below(text.size());
      const char byte = kBytes[Below(kBytes.size())];
      switch (Below(4)) {
        case 0: text.erase(at, 1 + Below(3)); break;
        case 1: text.insert(at, 1, byte); break;
        case 2: text[at] = byte; break;
        default: text.resize(at); break;
      }
    }
    return text;
  }

 private:
  std::string Pick(const std::vector<std::string>& words) { return words[Below(words.size())]; }

  std::string Space() { return Below(4) == 0 ? Pick({" ", "\t", "\n", "\r\n", "   "}) : ""; }

  std::string Number() {
    return Pick({"", "-"}) + Pick({"0", "7", "10", "9007199254740993", "12345678901234567890123"}) +
           Pick({"", "", ".5", ".000", ".25"}) + Pick({"", "", "e1", "E+2", "e-12"});
  }

  std::string Inside() {
    std::string text;
    const std::size_t count = Below(12);
    for (std::size_t i = 0; i < count; ++i) {
      text += Pick({"a", "longer than one word", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\u00e9",
                    "\\ud83d\\ude00", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x7F", "{",
                    "]", ","});
    }
    return text;
  }

  std::string String() { return "\"" + Inside() + "\""; }

  std::mt19937 random_;
};

/// Texts on which nlohmann departs from the grammar: it stops at a NUL, skips a byte order mark,
/// and refuses lone surrogates and numbers that no double can hold.
bool IsComparable(const std::string& text) {
  static const std::regex apart(R"(\\u[dD][89a-fA-F]|[eE][+-]?[0-9]{3}|[0-9]{100})");
  return text.find('\0') == std::string::npos && text.substr(0, 1) != "\xEF" &&
         !std::regex_search(text, apart);
}

constexpr std::uint32_t kSeed = 20240229;

TEST_CASE("a text is accepted exactly when nlohmann accepts it", "[protocol]") {
  Generator generator(kSeed);
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text = generator.Value(4);
    if (i % 4 != 0) text = generator.Damage(text);
    if (!IsComparable(text)) continue;
    const bool expected = nlohmann::json::accept(text);
    (expected ? accepted : refused) += 1;
    if (IsJson(text) != expected) {
      CAPTURE(kSeed, i, text, expected);
      FAIL("the two disagree");
    }
  }
  REQUIRE(accepted > 5'000);
  REQUIRE(refused > 5'000);
}

TEST_CASE("the members of an object are those nlohmann finds", "[protocol]") {
  Generator generator(kSeed + 1);
  for (int i = 0; i < 3'000; ++i) {
    const std::string text = generator.ObjectText(4);
    CAPTURE(kSeed, i, text);
    const nlohmann::json expected = nlohmann::json::parse(text);
    Object object;
    REQUIRE(Object::Parse(text, object) == JsonError::kNone);
    REQUIRE(object.size() == expected.size());
    for (const Member& member : object) {
      const std::string key = ReadString("\"" + std::string(member.key) + "\"").value();
      REQUIRE(nlohmann::json::parse(member.value) == expected.at(key));
    }
  }
}

TEST_CASE("the elements of an array are those nlohmann finds", "[protocol]") {
  Generator generator(kSeed + 2);
  for (int i = 0; i < 3'000; ++i) {
    const std::string text = generator.Array(4);
    CAPTURE(kSeed, i, text);
    const nlohmann::json expected = nlohmann::json::parse(text);
    std::size_t index = 0;
    ForEachElement(text, [&](std::string_view element) {
      REQUIRE(index < expected.size());
      REQUIRE(nlohmann::json::parse(element) == expected[index]);
      ++index;
      return true;
    });
    REQUIRE(index == expected.size());
  }
}

TEST_CASE("a text on one line means what it meant before", "[protocol]") {
  Generator generator(kSeed + 3);
  std::string scratch;
  for (int i = 0; i < 3'000; ++i) {
    const std::string text = generator.Value(4);
    CAPTURE(kSeed, i, text);
    const std::string_view line = OnOneLine(text, scratch);
    REQUIRE(line.find_first_of("\n\r\t") == std::string_view::npos);
    REQUIRE(nlohmann::json::parse(line) == nlohmann::json::parse(text));
  }
}

}  // namespace
}  // namespace workman::protocol
