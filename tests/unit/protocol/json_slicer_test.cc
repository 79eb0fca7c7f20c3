#include "protocol/json_slicer.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

JsonError Parse(std::string_view text) {
  Object object;
  return Object::Parse(text, object);
}

std::vector<std::string> Elements(std::string_view array) {
  std::vector<std::string> elements;
  ForEachElement(array, [&elements](std::string_view element) {
    elements.emplace_back(element);
    return true;
  });
  return elements;
}

TEST_CASE("members are slices of the text in their order", "[protocol]") {
  const std::string text = R"( { "b" : 1 , "a" : { "x" : [ 1 , 2 ] } , "c" : "d\"e" } )";
  Object object;

  REQUIRE(Object::Parse(text, object) == JsonError::kNone);

  REQUIRE(object.size() == 3);
  REQUIRE(object.begin()[0].key == "b");
  REQUIRE(object.begin()[0].value == "1");
  REQUIRE(object.begin()[1].value == R"({ "x" : [ 1 , 2 ] })");
  REQUIRE(object.begin()[2].value == R"("d\"e")");
  REQUIRE(object.Find("a").data() == text.data() + text.find("{ \"x\""));
  REQUIRE(object.Find("x").empty());
}

TEST_CASE("digits and the order of keys stay as they were written", "[protocol]") {
  const std::string value = R"({"z":12345678901234567890123,"a":1.50,"z":-0.0,"e":1E+400})";
  const std::string line = R"({"result":)" + value + "}";
  Object object;

  REQUIRE(Object::Parse(line, object) == JsonError::kNone);

  REQUIRE(object.Find("result") == value);
}

TEST_CASE("each kind of damage has its own error", "[protocol]") {
  REQUIRE(Parse("{}") == JsonError::kNone);
  REQUIRE(Parse("") == JsonError::kNotAnObject);
  REQUIRE(Parse("[]") == JsonError::kNotAnObject);
  REQUIRE(Parse("nonsense") == JsonError::kNotAnObject);
  REQUIRE(Parse("{") == JsonError::kSyntax);
  REQUIRE(Parse(R"({"a")") == JsonError::kSyntax);
  REQUIRE(Parse(R"({"a":1,})") == JsonError::kSyntax);
  REQUIRE(Parse(R"({"a":NaN})") == JsonError::kSyntax);
  REQUIRE(Parse(R"({"a":Infinity})") == JsonError::kSyntax);
  REQUIRE(Parse(R"({} {})") == JsonError::kTrailingBytes);
  REQUIRE(Parse(R"({"a":1,"a":2})") == JsonError::kDuplicateKey);
  REQUIRE(Parse("{\"a\":\"\xFF\"}") == JsonError::kBadUtf8);
  REQUIRE(Parse("{\"\xFF\":1}") == JsonError::kBadUtf8);
}

TEST_CASE("every error is a sentence of its own", "[protocol]") {
  const std::vector<JsonError> all{JsonError::kNone,          JsonError::kNotAnObject,
                                   JsonError::kSyntax,        JsonError::kDepth,
                                   JsonError::kDuplicateKey,  JsonError::kTooManyMembers,
                                   JsonError::kTrailingBytes, JsonError::kBadUtf8};
  std::vector<std::string> seen;
  for (const JsonError error : all) {
    const std::string sentence(ToString(error));
    REQUIRE_FALSE(sentence.empty());
    REQUIRE(std::find(seen.begin(), seen.end(), sentence) == seen.end());
    seen.push_back(sentence);
  }
}

TEST_CASE("every truncation of an object is refused", "[protocol]") {
  const std::string text = R"({"a":[1,-2.5e+3,true,false,null,"\u00e9\n)"
                           "\xC3\xA9"
                           R"("],"b":{"c":{}},"d":"e"})";
  REQUIRE(Parse(text) == JsonError::kNone);

  for (std::size_t size = 0; size < text.size(); ++size) {
    INFO(size);
    REQUIRE(Parse(std::string_view(text).substr(0, size)) != JsonError::kNone);
  }
}

TEST_CASE("keys that differ in spelling alone are the same key", "[protocol]") {
  REQUIRE(Parse(R"({"id":1,"\u0069d":2})") == JsonError::kDuplicateKey);
  REQUIRE(Parse(R"({"\ud83d\ude00":1,"😀":2})") == JsonError::kDuplicateKey);
  REQUIRE(Parse(R"({"a\/b":1,"a/b":2})") == JsonError::kDuplicateKey);
  REQUIRE(Parse(R"({"\ud800":1,"\ud801":2,"\ufffd":3})") == JsonError::kNone);
  REQUIRE(Parse(R"({"a":{"x":1,"x":2}})") == JsonError::kNone);
  Object object;
  REQUIRE(Object::Parse(R"({"\u0069d":7})", object) == JsonError::kNone);
  REQUIRE(object.Find("id") == "7");
}

TEST_CASE("an object of 512 levels is read and one of 513 is refused", "[protocol]") {
  REQUIRE(Parse(R"({"a":)" + Nested(511) + "}") == JsonError::kNone);
  REQUIRE(Parse(R"({"a":)" + Nested(512) + "}") == JsonError::kDepth);
  REQUIRE(IsJson(Nested(512)));
  REQUIRE_FALSE(IsJson(Nested(513)));
  REQUIRE(IsJson(Nested(511), kMaxPayloadDepth));
  REQUIRE_FALSE(IsJson(Nested(512), kMaxPayloadDepth));
  REQUIRE_FALSE(IsJson(std::string(2'000'000, '[')));
}

TEST_CASE("siblings do not add to the depth", "[protocol]") {
  std::string text = "[";
  for (int i = 0; i < 2000; ++i) text += R"({"a":[]},)";
  text += "0]";

  REQUIRE(IsJson(text));
}

TEST_CASE("the first 64 members are kept when there are more", "[protocol]") {
  std::string text = R"({"type":"x")";
  for (int i = 1; i < 64; ++i) text += ",\"k" + std::to_string(i) + "\":" + std::to_string(i);
  const std::string more = text + R"(,"one more":1})";
  Object object;

  REQUIRE(Parse(text + "}") == JsonError::kNone);
  REQUIRE(Object::Parse(more, object) == JsonError::kTooManyMembers);

  REQUIRE(object.size() == Object::kMaxMembers);
  REQUIRE(object.Find("type") == "\"x\"");
  REQUIRE(object.Find("k63") == "63");
  REQUIRE(Parse(text + R"(,"one more":1,,})") == JsonError::kSyntax);
}

TEST_CASE("lone surrogates in escapes pass", "[protocol]") {
  REQUIRE(IsJson(R"("\ud800")"));
  REQUIRE(IsJson(R"("\udc00\ud800x")"));
}

TEST_CASE("a special byte is found at every place of a string", "[protocol]") {
  for (std::size_t at = 0; at < 40; ++at) {
    std::string inside(40, 'a');
    inside[at] = '\x1F';
    INFO(at);
    REQUIRE_FALSE(IsJson("\"" + inside + "\""));
    inside[at] = '"';
    REQUIRE_FALSE(IsJson("\"" + inside + "\""));
    inside[at] = '\xFF';
    REQUIRE_FALSE(IsJson("\"" + inside + "\""));
    inside[at] = '\x7F';
    REQUIRE(IsJson("\"" + inside + "\""));
  }
}

TEST_CASE("UTF-8 is checked to the letter", "[protocol]") {
  REQUIRE(IsUtf8(""));
  REQUIRE(IsUtf8("plain text of more than eight bytes"));
  REQUIRE(IsUtf8("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xF0\x90\x80\x80"));
  REQUIRE(IsUtf8("\xF4\x8F\xBF\xBF"));
  for (const std::string_view bad :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xE2\x28\xA1", "12345678\xC3"}) {
    REQUIRE_FALSE(IsUtf8(bad));
  }
}

TEST_CASE("the elements of an array come one by one", "[protocol]") {
  REQUIRE(Elements("[]").empty());
  REQUIRE(Elements("[ ]").empty());
  REQUIRE(Elements(R"([1])") == std::vector<std::string>{"1"});
  REQUIRE(Elements("[ 1 ,\t{ \"a\" : [ 2 , 3 ] } , \"x,]\\\"\" , [ ] , null ]") ==
          std::vector<std::string>{"1", R"({ "a" : [ 2 , 3 ] })", R"("x,]\"")", "[ ]", "null"});
}

TEST_CASE("a walk over an array ends where its callback says so", "[protocol]") {
  int calls = 0;

  const bool whole = ForEachElement("[1,2,3]", [&calls](std::string_view) { return ++calls < 2; });

  REQUIRE_FALSE(whole);
  REQUIRE(calls == 2);
  REQUIRE_FALSE(ForEachElement("{}", [](std::string_view) { return true; }));
  REQUIRE_FALSE(ForEachElement("", [](std::string_view) { return true; }));
}

}  // namespace
}  // namespace workman::protocol
