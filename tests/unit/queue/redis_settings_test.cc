#include "daemon/queue/drivers/redis_settings.h"

#include <array>

#include <catch2/catch.hpp>

namespace workmand::redis {
namespace {

TEST_CASE("the address of a Redis server is taken apart", "[redis]") {
  const auto address = ParseAddress("redis://me:p%40ss@[::1]:7000/3");

  REQUIRE(address);
  CHECK(address->host == "::1");
  CHECK(address->port == 7000);
  CHECK(address->user == "me");
  CHECK(address->password == "p@ss");
  CHECK(address->database == 3);
  CHECK(address->Name() == "[::1]:7000/3");
}

TEST_CASE("what is left out of an address has a default", "[redis]") {
  const auto address = ParseAddress("redis://example.org");

  REQUIRE(address);
  CHECK(address->Name() == "example.org:6379/0");
  CHECK(address->password.empty());
}

TEST_CASE("an address that cannot be used is refused without its password", "[redis]") {
  for (const auto& [url, sentence] : std::array<std::pair<const char*, const char*>, 5>{{
           {"rediss://u:secret@h/0", "must begin with redis:// (rediss:// asks for TLS"},
           {"http://u:secret@h", "must begin with redis:// (got http://)"},
           {"redis://u:secret@a,b", "must name one server"},
           {"redis://u:secret@h/x", "must end with the number of a database"},
           {"redis://u:secret@h:x", ""},
       }}) {
    const auto address = ParseAddress(url);
    REQUIRE_FALSE(address);
    CHECK_THAT(address.error().message, Catch::StartsWith(sentence));
    CHECK_THAT(address.error().message, !Catch::Contains("secret"));
  }
}

TEST_CASE("unknown keys of a driver on Redis are named", "[redis]") {
  constexpr std::array<std::string_view, 1> kOwn{"queues"};
  QueueOptions options;
  options.driver = "resque";
  options.extra["queue"].text = "x";
  options.extra["url"].text = "rediss://h";
  std::vector<QueueKeyError> errors;

  CheckKeys(options, kOwn, errors);

  REQUIRE(errors.size() == 2);
  CHECK(errors[0].key == "queue");
  CHECK_THAT(errors[0].sentence, Catch::Contains("did you mean \"queues\"?"));
  CHECK(errors[1].key == "url");
}

}  // namespace
}  // namespace workmand::redis
