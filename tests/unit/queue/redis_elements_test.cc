#include <catch2/catch.hpp>

#include "daemon/queue/drivers/redis_lists.h"

namespace workmand::redis {
namespace {

std::string RoundTrip(const std::string& payload, std::string& arguments) {
  int whole = 0;
  arguments = ToArguments(payload, whole);
  return ToPayload(arguments, whole);
}

TEST_CASE("a payload becomes the arguments of a class and comes back byte for byte", "[redis]") {
  const auto bytes = [](const char* text, std::size_t size) { return std::string(text, size); };
  for (const auto& [payload, expected] : std::vector<std::pair<std::string, std::string>>{
           {R"([1,{"x":"e"}])", R"([1,{"x":"e"}])"},
           {R"([1.50,  12345678901234567890])", R"([1.50,  12345678901234567890])"},
           {R"({"a": 1})", R"([{"a": 1}])"},
           {"7", "[7]"},
           {"null", "[null]"},
           {"", R"([""])"},
           {" [1]", R"(["IFsxXQ=="])"},
           {"no json", R"(["bm8ganNvbg=="])"},
           // NOLINTNEXTLINE(bugprone-string-literal-with-embedded-nul): its size is told
           {bytes("\0\xFF", 2), R"(["AP8="])"},
       }) {
    std::string arguments;
    CHECK(RoundTrip(payload, arguments) == payload);
    CHECK(arguments == expected);
  }
}

TEST_CASE("the arguments of another program are the payload as they are", "[redis]") {
  CHECK(ToPayload(R"([1, "two"])", 0) == R"([1, "two"])");
  CHECK(ToPayload("", 0) == "[]");
}

TEST_CASE("what we keep stands last without braces and can be taken off", "[redis]") {
  const std::string body = R"({"class":"A","args":[{"workman":1}]})";
  const Meta meta{"id-1", "a{b}\"c", 1, 2, 3, 1};

  const std::string element = WithMeta(body, meta);

  CHECK(element == R"({"class":"A","args":[{"workman":1}],"workman":{"id":"id-1",)"
                   R"("unique":"a\u007bb\u007d\"c","ends":1,"seen":2,"max":3,"whole":1}})");
  Meta read;
  CHECK(WithoutMeta(element, read) == body);
  CHECK(read.id == "id-1");
  CHECK(read.unique == "a{b}\"c");
  CHECK(read.ends == 1);
  CHECK(read.seen == 2);
  CHECK(read.max == 3);
  CHECK(read.whole == 1);
}

TEST_CASE("an element of another program has nothing of ours", "[redis]") {
  Meta meta;
  CHECK(WithoutMeta(R"({"class":"A", "args":[]})", meta) == R"({"class":"A", "args":[]})");
  CHECK(WithoutMeta("garbage", meta) == "garbage");
  CHECK(meta.id.empty());
}

TEST_CASE("members are replaced or added or removed and the others not touched", "[redis]") {
  const std::string body = R"({"n":1.50,"retry_count":0,"args":[ 1 ]})";

  CHECK(WithMembers(body, {{"retry_count", "1"}, {"queue", R"("q")"}}) ==
        R"({"n":1.50,"args":[ 1 ],"retry_count":1,"queue":"q"})");
  CHECK(Without(body, "n") == R"({"retry_count":0,"args":[ 1 ]})");
  CHECK(MemberText(body, "n") == "1.50");
  CHECK(MemberText(R"({"a":"b\n"})", "a") == "b\n");
  CHECK(MemberText(body, "none").empty());
}

TEST_CASE("an error is told in the words that the clients have for it", "[redis]") {
  const ErrorWords words = ReadError(R"({"message":"no","class":"Http::Error","trace":"a\nb"})");
  CHECK(words.message == "no");
  CHECK(words.type == "Http::Error");
  CHECK(words.trace == "a\nb");
  CHECK(ReadError(R"({"message":"no"})").type == "Error");
  CHECK(ReadError("no json").message == "no json");
}

}  // namespace
}  // namespace workmand::redis
