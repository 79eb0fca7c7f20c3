#include "protocol/json_text.h"

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "protocol/json_slicer.h"

namespace workman::protocol {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendString(out, text);
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out;
  AppendBase64(out, bytes);
  return out;
}

TEST_CASE("a string is escaped as little as JSON allows", "[protocol]") {
  REQUIRE(Quoted("") == R"("")");
  REQUIRE(Quoted("plain / text") == R"("plain / text")");
  REQUIRE(Quoted("a\"b\\c") == R"("a\"b\\c")");
  REQUIRE(Quoted("\b\f\n\r\t\x01\x1F\x7F") == "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\"");
  REQUIRE(Quoted(std::string_view("\0", 1)) == R"("\u0000")");
  REQUIRE(Quoted("é 😀") == "\"é 😀\"");
}

TEST_CASE("bytes that are not UTF-8 become replacement characters", "[protocol]") {
  REQUIRE(Quoted("a\xFF"
                 "b") ==
          "\"a\uFFFD"
          "b\"");
  REQUIRE(Quoted("\xE2\x82") == "\"\uFFFD\uFFFD\"");
  REQUIRE(Quoted("caf\xE9") == "\"caf\uFFFD\"");
}

TEST_CASE("every byte string is written as valid JSON on one line", "[protocol]") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));

  const std::string text = Quoted(bytes);

  REQUIRE(nlohmann::json::accept(text));
  REQUIRE(text.find('\n') == std::string::npos);
}

TEST_CASE("what was written is read back", "[protocol]") {
  std::string text;
  for (int i = 0; i < 128; ++i) text.push_back(static_cast<char>(i));
  text += "é€😀\u2028";

  REQUIRE(ReadString(Quoted(text)) == text);
}

TEST_CASE("escapes are resolved", "[protocol]") {
  REQUIRE(ReadString(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  REQUIRE(ReadString(R"("\u0041\u00e9\u20AC\uD83D\ude00")") == "Aé€😀");
  REQUIRE(ReadString(R"("\u0000")") == std::string(1, '\0'));
}

TEST_CASE("a lone surrogate is read as a replacement character", "[protocol]") {
  REQUIRE(ReadString(R"("\ud800")") == "\uFFFD");
  REQUIRE(ReadString(R"("\ud800\ud83d\ude00")") == "\uFFFD😀");
  REQUIRE(ReadString(R"("\ud800x\udc00")") == "\uFFFDx\uFFFD");
}

TEST_CASE("what is not a string is not read as one", "[protocol]") {
  for (const std::string_view raw : {"", "\"", "abc", "null", "1", R"("a)", R"("a\")", R"("a"b")",
                                     R"("\x")", "\"\n\"", "\"\xFF\""}) {
    INFO(raw);
    REQUIRE_FALSE(ReadString(raw).has_value());
  }
}

TEST_CASE("integers are read up to 2 to the 53", "[protocol]") {
  REQUIRE(ReadInt("0") == 0);
  REQUIRE(ReadInt("-0") == 0);
  REQUIRE(ReadInt("42") == 42);
  REQUIRE(ReadInt("9007199254740991") == 9007199254740991);
  REQUIRE(ReadInt("-9007199254740991") == -9007199254740991);
  for (const std::string_view raw :
       {"", "-", "--1", "+1", "01", "-01", "1.0", "1e3", " 1", "1 ", "9007199254740992",
        "-9007199254740992", "12345678901234567890123", "\"1\"", "true", "0x10"}) {
    INFO(raw);
    REQUIRE_FALSE(ReadInt(raw).has_value());
  }
}

TEST_CASE("numbers are read as JSON spells them", "[protocol]") {
  REQUIRE(ReadNumber("0.25") == 0.25);
  REQUIRE(ReadNumber("-1e3") == -1000.0);
  REQUIRE(ReadNumber("7") == 7.0);
  for (const std::string_view raw :
       {"", "-", ".5", "1.", "01", "0x10", "inf", "NaN", "1e400", " 1", "1 ", "null", "\"1\""}) {
    INFO(raw);
    REQUIRE_FALSE(ReadNumber(raw).has_value());
  }
}

TEST_CASE("truth values are read", "[protocol]") {
  REQUIRE(ReadBool("true") == true);
  REQUIRE(ReadBool("false") == false);
  REQUIRE_FALSE(ReadBool("1").has_value());
  REQUIRE_FALSE(ReadBool("").has_value());
}

TEST_CASE("base64 has the spellings of its standard", "[protocol]") {
  const std::vector<std::pair<std::string, std::string>> examples{{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"},
                                                                  {"\xFB\xFF", "+/8="}};
  for (const auto& [bytes, text] : examples) {
    REQUIRE(Base64(bytes) == text);
    REQUIRE(DecodeBase64(text) == bytes);
    REQUIRE(IsBase64Inside(text));
  }
}

TEST_CASE("bytes of every length survive base64", "[protocol]") {
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    REQUIRE(DecodeBase64(Base64(bytes)) == bytes);
    bytes.push_back(static_cast<char>((i * 37) & 0xFF));
  }
}

TEST_CASE("base64 with escapes is the same base64", "[protocol]") {
  REQUIRE(DecodeBase64Inside(R"(\/+\/+Yw\u003d\u003d)") == DecodeBase64("/+/+Yw=="));
  REQUIRE(IsBase64Inside(R"(\/+\/+Yw\u003d\u003d)"));
  REQUIRE_FALSE(IsBase64Inside(R"(YQ=\u000a)"));
  REQUIRE_FALSE(DecodeBase64Inside(R"(\\u0041AAA)").has_value());
}

TEST_CASE("an escape that is cut off ends all the same", "[protocol]") {
  for (const std::string_view text :
       {"\\", "Zm9v\\", "Zg=\\u", "Zg=\\u00", "\\ud800\\", "\xFF\\", "\\\xFF"}) {
    INFO(text);
    REQUIRE_FALSE(DecodeBase64(text).has_value());
    REQUIRE_FALSE(DecodeBase64Inside(text).has_value());
    REQUIRE_FALSE(IsBase64Inside(text));
  }
}

TEST_CASE("what is not base64 is refused", "[protocol]") {
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zh==",
                                      "Zm9=", "Zm 9v", "Zm9v\n", "Zm-_", "Zg==Zg==", "\xFFm9v"}) {
    INFO(text);
    REQUIRE_FALSE(DecodeBase64(text).has_value());
    REQUIRE_FALSE(IsBase64Inside(text));
  }
}

TEST_CASE("breaks between tokens go and the text stays", "[protocol]") {
  std::string scratch;
  const std::string pretty = "{\r\n\t\"a b\": [\n1,\n\"x\\ny\"\n]\n}";
  REQUIRE(OnOneLine(pretty, scratch) == R"({"a b": [1,"x\ny"]})");

  const std::string flat = R"({"a b": [1, "x\ny"]})";
  REQUIRE(OnOneLine(flat, scratch).data() == flat.data());
}

}  // namespace
}  // namespace workman::protocol
