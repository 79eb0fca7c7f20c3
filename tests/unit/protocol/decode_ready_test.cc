#include <string>

#include <catch2/catch.hpp>

#include "protocol/decode.h"
#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

TEST_CASE("the smallest announcement has the defaults of the contract", "[protocol]") {
  const auto ready = Take<Ready>(R"({"type":"ready","tasks":["echo"]})");

  REQUIRE(ready.tasks.size() == 1);
  REQUIRE(ready.tasks[0].name == "echo");
  REQUIRE_FALSE(ready.tasks[0].timeout_ms.has_value());
  REQUIRE_FALSE(ready.tasks[0].backoff.has_value());
  REQUIRE_FALSE(ready.any_task);
  REQUIRE(ready.proto == 1);
  REQUIRE(ready.pid == 0);
  REQUIRE_FALSE(ready.handles_term);
  REQUIRE_FALSE(ready.handles_abort);
  REQUIRE(ready.concurrency == 1);
  REQUIRE(ready.prefetch == 0);
  REQUIRE_FALSE(ready.clamped);
  REQUIRE(ready.features.empty());
  REQUIRE(ready.max_line == 0);
  REQUIRE_FALSE(ready.zygote);
}

TEST_CASE("every member of an announcement is read", "[protocol]") {
  const auto ready = Take<Ready>(
      R"({"type":"ready","proto":1,"sdk":{"name":"workman-py","version":"0.1.0","lang":"python 3"},)"
      R"("pid":4242,"signals":["TERM","ABRT","USR1"],"concurrency":4,"prefetch":2,)"
      R"("features":["cancel","ping"],"max_line":65536,"zygote":true,"tasks":["a",{"name":"b",)"
      R"("timeout_ms":30000,"max_attempts":4,"backoff":{"kind":"const","base_ms":1000,)"
      R"("max_ms":60000,"jitter":0.2},"payload":"text","on_abort":"drop","stall_ms":0,"limit":2}]})");

  REQUIRE(ready.sdk_name == "workman-py");
  REQUIRE(ready.sdk_version == "0.1.0");
  REQUIRE(ready.sdk_lang == "python 3");
  REQUIRE(ready.pid == 4242);
  REQUIRE(ready.handles_term);
  REQUIRE(ready.handles_abort);
  REQUIRE(ready.concurrency == 4);
  REQUIRE(ready.prefetch == 2);
  REQUIRE(ready.features == std::vector<std::string>{"cancel", "ping"});
  REQUIRE(ready.max_line == 65536);
  REQUIRE(ready.zygote);
  const AnnouncedTask& task = ready.tasks.at(1);
  REQUIRE(task.name == "b");
  REQUIRE(task.timeout_ms == 30000);
  REQUIRE(task.max_attempts == 4);
  REQUIRE_FALSE(task.backoff->exponential);
  REQUIRE(task.backoff->base_ms == 1000);
  REQUIRE(task.backoff->max_ms == 60000);
  REQUIRE(task.backoff->jitter == 0.2);
  REQUIRE(task.payload == "text");
  REQUIRE(task.on_abort == "drop");
  REQUIRE(task.stall_ms == 0);
  REQUIRE(task.limit == 2);
}

TEST_CASE("a back-off grows exponentially unless it says otherwise", "[protocol]") {
  const auto ready =
      Take<Ready>(R"({"type":"ready","tasks":[{"name":"a","backoff":{"base_ms":50}}]})");

  REQUIRE(ready.tasks[0].backoff->exponential);
  REQUIRE(ready.tasks[0].backoff->max_ms == 0);
}

TEST_CASE("a star stands for any task in both spellings", "[protocol]") {
  for (const std::string_view tasks : {R"("*")", R"(["*"])", R"([ "*" ])"}) {
    const std::string line = R"({"type":"ready","tasks":)" + std::string(tasks) + "}";
    const auto ready = Take<Ready>(line);
    REQUIRE(ready.any_task);
    REQUIRE(ready.tasks.empty());
  }
}

TEST_CASE("a star beside named tasks keeps their options", "[protocol]") {
  const auto ready =
      Take<Ready>(R"({"type":"ready","tasks":["a","*",{"name":"b","timeout_ms":5}]})");

  REQUIRE(ready.any_task);
  REQUIRE(ready.tasks.size() == 2);
  REQUIRE(ready.tasks[1].name == "b");
  REQUIRE(ready.tasks[1].timeout_ms == 5);
}

TEST_CASE("concurrency and prefetch out of range are pulled into it", "[protocol]") {
  const auto low = Take<Ready>(R"({"type":"ready","tasks":["a"],"concurrency":0,"prefetch":-5})");
  REQUIRE(low.concurrency == 1);
  REQUIRE(low.prefetch == 0);
  REQUIRE(low.clamped);

  const auto high =
      Take<Ready>(R"({"type":"ready","tasks":["a"],"concurrency":1025,"prefetch":99999})");
  REQUIRE(high.concurrency == 1024);
  REQUIRE(high.prefetch == 1024);
  REQUIRE(high.clamped);

  const auto edge =
      Take<Ready>(R"({"type":"ready","tasks":["a"],"concurrency":1024,"prefetch":0})");
  REQUIRE(edge.concurrency == 1024);
  REQUIRE_FALSE(edge.clamped);
}

TEST_CASE("a count that no int can hold is the largest int", "[protocol]") {
  const auto ready = Take<Ready>(
      R"({"type":"ready","tasks":[{"name":"a","max_attempts":9007199254740991,"limit":2147483648}]})");

  REQUIRE(ready.tasks[0].max_attempts == 2147483647);
  REQUIRE(ready.tasks[0].limit == 2147483647);
}

TEST_CASE("the longest name of a task has 255 bytes", "[protocol]") {
  const std::string name(255, 'n');
  const std::string good = R"({"type":"ready","tasks":[")" + name + R"("]})";
  REQUIRE(Take<Ready>(good).tasks[0].name == name);

  const std::string bad = R"({"type":"ready","tasks":[")" + name + R"(n"]})";
  REQUIRE(TakeMalformed(bad).type == "ready");
}

TEST_CASE("a name written with escapes is the same name", "[protocol]") {
  REQUIRE(Take<Ready>(R"({"type":"ready","tasks":["\u0065cho"]})").tasks[0].name == "echo");
  REQUIRE(TakeMalformed(R"({"type":"ready","tasks":["echo","\u0065cho"]})").why ==
          "tasks names the task \"echo\" twice");
}

TEST_CASE("ten thousand tasks are announced in one line", "[protocol]") {
  std::string line = R"({"type":"ready","tasks":[)";
  for (int i = 0; i < 10'000; ++i) line += "\"task-" + std::to_string(i) + "\",";
  line += R"("last"]})";

  REQUIRE(Take<Ready>(line).tasks.size() == 10'001);
}

}  // namespace
}  // namespace workman::protocol
