#include "protocol/decode.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

TEST_CASE("a done carries its result byte for byte", "[protocol]") {
  const std::string line =
      R"({"type":"done","id":"7Qm2v9xKp4TzAb","result":{ "z":12345678901234567890123,"a":1.50}})";

  const auto done = Take<Done>(line);

  REQUIRE(done.id == "7Qm2v9xKp4TzAb");
  REQUIRE(done.result.json == R"({ "z":12345678901234567890123,"a":1.50})");
  REQUIRE(done.result.json.data() == line.data() + line.find("{ \"z\""));
  REQUIRE_FALSE(done.result.is_base64());
  REQUIRE(done.enqueue.empty());
}

TEST_CASE("a done without a result has an absent one", "[protocol]") {
  REQUIRE(Take<Done>(R"({"type":"done","id":"x"})").result.absent());
  REQUIRE_FALSE(Take<Done>(R"({"type":"done","id":"x","result":null})").result.absent());
}

TEST_CASE("an empty base64 result is not an absent one", "[protocol]") {
  const auto done = Take<Done>(R"({"type":"done","id":"x","result_b64":""})");

  REQUIRE(done.result.is_base64());
  REQUIRE_FALSE(done.result.absent());
  REQUIRE(DecodeBase64(done.result.base64) == "");
}

TEST_CASE("a base64 result with escapes decodes to its bytes", "[protocol]") {
  const auto done = Take<Done>(R"({"type":"done","id":"x","result_b64":"\/+\/+Yw\u003d\u003d"})");

  REQUIRE(DecodeBase64Inside(done.result.base64) == "\xFF\xEF\xFE\x63");
}

TEST_CASE("a fail carries its error and what to do next", "[protocol]") {
  const auto fail = Take<Fail>(
      R"({"type":"fail","id":"x","error":{"message":"a\nb","code":"c"},"retry":false,"delay_ms":5})");

  REQUIRE(fail.error == R"({"message":"a\nb","code":"c"})");
  REQUIRE(ErrorMessage(fail.error) == "a\nb");
  REQUIRE(fail.retry == false);
  REQUIRE(fail.delay_ms == 5);
  REQUIRE_FALSE(Take<Fail>(R"({"type":"fail","id":"x","error":{"message":""}})").retry.has_value());
}

TEST_CASE("an abort carries its reason and what to do next", "[protocol]") {
  const auto abort = Take<Abort>(
      R"({"type":"abort","id":"x","reason":"force killed","requeue":true,"delay_ms":0})");

  REQUIRE(abort.reason == "force killed");
  REQUIRE(abort.requeue == true);
  REQUIRE(abort.delay_ms == 0);
  REQUIRE_FALSE(Take<Abort>(R"({"type":"abort","id":"x"})").requeue.has_value());
}

TEST_CASE("the messages during a job are read", "[protocol]") {
  const auto progress =
      Take<Progress>(R"({"type":"progress","id":"x","done":0.5,"total":3,"message":"m"})");
  REQUIRE(progress.done == 0.5);
  REQUIRE(progress.total == 3);
  REQUIRE(progress.message == "m");

  const auto data = Take<Data>(R"({"type":"data","id":"x","data":[1],"warn":true})");
  REQUIRE(data.data.json == "[1]");
  REQUIRE(data.warn);

  const auto heartbeat = Take<Heartbeat>(R"({"type":"heartbeat","id":"x","extend_ms":30000})");
  REQUIRE(heartbeat.id == "x");
  REQUIRE(heartbeat.extend_ms == 30000);
}

TEST_CASE("a log line has one of six levels", "[protocol]") {
  const auto warn =
      Take<Log>(R"({"type":"log","level":"warn","message":"m","fields":{"a":1},"id":"x"})");
  REQUIRE(warn.level == "warn");
  REQUIRE(warn.message == "m");
  REQUIRE(warn.fields == R"({"a":1})");
  REQUIRE(warn.id == "x");
  REQUIRE(Take<Log>(R"({"type":"log","message":"m"})").level == "info");
  REQUIRE(Take<Log>(R"({"type":"log","level":"WARNING","message":"m"})").level == "info");
}

TEST_CASE("a request to enqueue is read", "[protocol]") {
  const auto request = Take<EnqueueRequest>(
      R"({"type":"enqueue","task":"t","args":{"a":[1 ,2]},"ref":"r1","queue":"q","delay_ms":7,)"
      R"("priority":"low","unique":"u","max_attempts":3})");

  REQUIRE(request.ref == "r1");
  REQUIRE(request.job.task == "t");
  REQUIRE(request.job.args == R"({"a":[1 ,2]})");
  REQUIRE_FALSE(request.job.args_binary);
  REQUIRE(request.job.queue == "q");
  REQUIRE(request.job.delay_ms == 7);
  REQUIRE(request.job.priority == "low");
  REQUIRE(request.job.unique == "u");
  REQUIRE(request.job.max_attempts == 3);
}

TEST_CASE("a job to enqueue has null or bytes when it says so", "[protocol]") {
  REQUIRE(Take<EnqueueRequest>(R"({"type":"enqueue","task":"t"})").job.args == "null");
  const auto bytes = Take<EnqueueRequest>(R"({"type":"enqueue","task":"t","args_b64":"AP8="})");
  REQUIRE(bytes.job.args_binary);
  REQUIRE(bytes.job.args == std::string("\0\xFF", 2));
}

TEST_CASE("the jobs of an outcome are read one by one", "[protocol]") {
  std::vector<JobSpec> jobs;
  std::string why;

  REQUIRE(ReadJobSpecs(R"([{"task":"a","args":1},{"task":"b","delay_ms":5}])", jobs, why));

  REQUIRE(jobs.size() == 2);
  REQUIRE(jobs[0].args == "1");
  REQUIRE(jobs[1].task == "b");
  REQUIRE(jobs[1].delay_ms == 5);
  REQUIRE(why.empty());
}

TEST_CASE("a bad job of an outcome is named by its place", "[protocol]") {
  std::vector<JobSpec> jobs;
  std::string why;
  REQUIRE_FALSE(ReadJobSpecs(R"([{"task":"a"},{"args":1}])", jobs, why));
  REQUIRE(why == "enqueue[1].task is missing");
  REQUIRE_FALSE(ReadJobSpecs(R"(["a"])", jobs, why));
  REQUIRE(why == "enqueue[0] must be an object");
  REQUIRE_FALSE(ReadJobSpecs(R"([{"task":"a","task":"b"}])", jobs, why));
  REQUIRE(why == "enqueue[0]: the object has the same member twice");
  why.clear();
  REQUIRE_FALSE(ReadJobSpecs("{}", jobs, why));
  REQUIRE(why == "enqueue must be an array");
}

TEST_CASE("a line of only spaces and tabs is blank", "[protocol]") {
  for (const std::string_view line : {"", " ", "\t", " \t \t"}) {
    REQUIRE(std::holds_alternative<Blank>(Decode(line)));
  }
}

TEST_CASE("an object of another kind is foreign and keeps its type", "[protocol]") {
  const std::string line = R"({"type":"x-mine","level":30})";
  REQUIRE(std::get<Foreign>(Decode(line)).type == "x-mine");
  REQUIRE(std::get<Foreign>(Decode(R"({"level":30})")).type.empty());
  REQUIRE(std::get<Foreign>(Decode(R"({"type":30})")).type.empty());
}

TEST_CASE("an outcome without an id breaks the contract as nobody's outcome", "[protocol]") {
  const Malformed malformed = TakeMalformed(R"({"type":"done","result":1})");

  REQUIRE(malformed.terminal);
  REQUIRE(malformed.id.empty());
  REQUIRE(malformed.type == "done");
}

TEST_CASE("a message nested 512 levels is read and 513 are garbage", "[protocol]") {
  const std::string good = R"({"type":"done","id":"x","result":)" + Nested(511) + "}";
  REQUIRE(Take<Done>(good).result.json == Nested(511));

  const std::string bad = R"({"type":"done","id":"x","result":)" + Nested(512) + "}";
  REQUIRE(std::get<Garbage>(Decode(bad)).why == "the JSON nests deeper than 512 levels");
}

TEST_CASE("the message of an error is empty when it has none", "[protocol]") {
  REQUIRE(ErrorMessage(R"({"message":"boom"})") == "boom");
  REQUIRE(ErrorMessage(R"({"code":"x"})").empty());
  REQUIRE(ErrorMessage("\"boom\"").empty());
  REQUIRE(ErrorMessage("").empty());
}

TEST_CASE("a feature that was not offered is told from a broken message", "[protocol]") {
  const auto not_offered = [](std::string_view line) {
    const Decoded decoded = Decode(line);
    return std::get<Malformed>(decoded).not_offered;
  };

  CHECK(not_offered(R"({"type":"done","id":"A","result_file":"/x"})"));
  CHECK(not_offered(R"({"type":"done","id":"A","result_file":7})"));
  CHECK(not_offered(R"({"type":"enqueue","task":"T","args_file":"/x"})"));
  CHECK_FALSE(not_offered(R"({"type":"done","result_file":"/x"})"));
  CHECK_FALSE(not_offered(R"({"type":"done","id":"A","result_file":"/x","enqueue":7})"));
  CHECK_FALSE(not_offered(R"({"type":"enqueue","args_file":"/x"})"));
  CHECK_FALSE(not_offered(R"({"type":"fail","id":"A"})"));
}

TEST_CASE("who waits for an answer to a broken request is known", "[protocol]") {
  const auto ref = [](std::string_view line) {
    const Decoded decoded = Decode(line);
    return std::get<Malformed>(decoded).ref;
  };

  CHECK(ref(R"({"type":"enqueue","task":7,"ref":"r1"})") == "r1");
  CHECK(ref(R"({"type":"enqueue","task":"T","args_file":"/x","ref":"r\u0032"})") == "r2");
  CHECK(ref(R"({"type":"enqueue","task":"T","ref":7})").empty());
  CHECK(ref(R"({"type":"fail","id":"A","ref":"r1"})").empty());
}

}  // namespace
}  // namespace workman::protocol
