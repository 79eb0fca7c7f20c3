#include "daemon/queue/drivers/celery_message.h"

#include <catch2/catch.hpp>

namespace workmand::celery {
namespace {

CeleryMessage Make(const std::string& payload, int& whole) {
  CeleryMessage message;
  message.task = "proj.add";
  message.id = "id-1";
  ToCeleryArguments(payload, message, whole);
  return message;
}

TEST_CASE("a payload becomes a message of Celery and comes back byte for byte", "[celery]") {
  for (const std::string payload : {R"({"args":[1, 2],"kwargs":{"x": 1.50}})", "[1,2]", "{}", "7",
                                    R"({"args":[1], "kwargs":{}})", R"({"args":[1]})", "no json"}) {
    int whole = -1;
    const std::string text = MakeCeleryMessage(Make(payload, whole), "q");

    const CeleryMessage read = ParseCeleryMessage(text);

    INFO(payload);
    CHECK(read.broken.empty());
    CHECK(read.task == "proj.add");
    CHECK(read.id == "id-1");
    CHECK(ToCeleryPayload(read, whole) == payload);
  }
}

TEST_CASE("args with kwargs and a list alone are told apart from one argument", "[celery]") {
  int whole = -1;
  CeleryMessage message = Make(R"({"args":[1],"kwargs":{"x":2}})", whole);
  CHECK(message.args == "[1]");
  CHECK(message.kwargs == R"({"x":2})");
  message = Make("[1,2]", whole);
  CHECK(message.args == "[1,2]");
  message = Make(R"({"a":1})", whole);
  CHECK(message.args == R"([{"a":1}])");
  CHECK(message.kwargs == "{}");
}

TEST_CASE("a message that cannot be run says why", "[celery]") {
  CHECK_THAT(ParseCeleryMessage("{}").broken, Catch::Contains("protocol 2"));
  CHECK_THAT(ParseCeleryMessage(R"({"headers":{"task":"a","id":"b"},"content-type":)"
                                R"("application/x-python-serialize","body":"gASV"})")
                 .broken,
             Catch::Contains("task_serializer to json (the content type is application/x-python"));
  const auto with_body = [](const std::string& body) {
    return ParseCeleryMessage(R"({"headers":{"task":"a","id":"b"},"content-type":)"
                              R"("application/json","body":)" +
                              body + "}")
        .broken;
  };
  CHECK(with_body(R"("[[],{},{}]")").empty());
  CHECK_THAT(with_body(R"("[[],{}]")"), Catch::Contains("is not [args, kwargs, embed]"));
  CHECK_THAT(with_body(R"("[[],{},{\"chain\":[{}]}]")"), Catch::Contains("chains and chords"));
  // What looks like an escape that is cut off, after the string was read.
  CHECK_THAT(with_body(R"("W1tdLHt9LHt9XQ==\\","properties":{"body_encoding":"base64"})"),
             Catch::Contains("is no base64"));
}

TEST_CASE("times of Celery are read with and without a zone", "[celery]") {
  CHECK(ParseCeleryTime("1970-01-01T00:00:01") == 1'000);
  CHECK(ParseCeleryTime("1970-01-01T00:00:01.250000+00:00") == 1'250);
  CHECK(ParseCeleryTime("1970-01-01T01:00:00+01:00") == 0);
  CHECK(ParseCeleryTime("1970-01-01T00:00:00-00:30") == 1'800'000);
  CHECK(ParseCeleryTime("1970-01-02T00:00:00.5Z") == 86'400'500);
  CHECK(ParseCeleryTime("null") == 0);
  CHECK(ParseCeleryTime("tomorrow") == 0);
}

}  // namespace
}  // namespace workmand::celery
