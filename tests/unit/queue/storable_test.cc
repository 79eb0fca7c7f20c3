// The bytes are what Perl's Storable wrote for the values named beside them.
#include "daemon/queue/drivers/storable.h"

#include <string>

#include <catch2/catch.hpp>

using namespace workmand;  // NOLINT(google-build-using-namespace)

namespace {

std::string Bytes(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

std::string Json(const std::string& hex) {
  const auto json = StorableToJson(Bytes(hex));
  return json ? *json : "refused: " + json.error().message;
}

}  // namespace

TEST_CASE("hashes and arrays and references to them are read", "[queue]") {
  CHECK(Json("050b03000000010881000000016e") == R"({"n":1})");
  CHECK(Json("050b03000000010402000000010403000000010a016200000001610000000464656570") ==
        R"({"deep":[{"a":"b"}]})");
  CHECK(Json("050b0a0173") == R"("s")");
}

TEST_CASE("numbers and undef are read in network and in native order", "[queue]") {
  CHECK(Json("050b02000000070881087e0a017805090000012c09000186a00a03312e35") ==
        R"([1,-2,"x",null,300,100000,"1.5"])");
  CHECK(Json("040b083132333435363738040808080203000000088706000efad5feffffff07000000000000044"
             "0") == "[7,-5000000000,2.5]");
}

TEST_CASE("strings become UTF-8 and JSON escapes what it must", "[queue]") {
  CHECK(Json("050b03000000011703e282ac0000000174") == "{\"t\":\"\xE2\x82\xAC\"}");
  CHECK(Json("050b19000000000108810100000003e282ac") == "{\"\xE2\x82\xAC\":1}");
  CHECK(Json("050b03000000010a0471220ae90000000161") == "{\"a\":\"q\\\"\\u000a\xC3\xA9\"}");
}

TEST_CASE("what JSON cannot say is refused by name", "[queue]") {
  CHECK(Json("050b110b536f6d653a3a436c617373030000000108810000000161") ==
        "refused: it holds an object of a Perl class");
  CHECK(Json("050b02000000020402000000010881040000000002") ==
        "refused: it refers twice to one value");
}

TEST_CASE("cut and lengthened bytes are refused at any place", "[queue]") {
  const std::string whole =
      Bytes("050b03000000010402000000010403000000010a016200000001610000000464656570");

  for (std::size_t size = 3; size < whole.size(); ++size) {
    CHECK_FALSE(StorableToJson(whole.substr(0, size)));
  }
  CHECK_FALSE(StorableToJson(whole + "x"));
}

TEST_CASE("plain text is not taken for Storable", "[queue]") {
  CHECK_FALSE(IsStorable(R"({"a":1})"));
  CHECK_FALSE(IsStorable(""));
  CHECK_FALSE(IsStorable("\x05"));
  CHECK(IsStorable(Bytes("050b0a0173")));
}
