// The job path must not allocate: this binary counts every call of operator new.
#include <cstdlib>
#include <new>
#include <string>

#include <catch2/catch.hpp>

#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/line_reader.h"
#include "tests/unit/protocol/support.h"

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
// Sanitizers bring a nothrow form of their own, whose memory must not reach our operator delete.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace workman::protocol {
namespace {

/// How many times `run` allocates.
template <typename Run>
std::size_t CountAllocations(Run&& run) {
  const std::size_t before = allocations;
  run();
  return allocations - before;
}

TEST_CASE("the count of allocations sees an allocation", "[protocol][bare]") {
  REQUIRE(CountAllocations([] { const std::string text(100, 'x'); }) == 1);
}

TEST_CASE("an outcome is decoded without an allocation", "[protocol][bare]") {
  const std::string array = Nested(511);
  const std::string done = R"({"type":"done","id":"7Qm2v9xKp4TzAb","result":)" + array + "}";
  const std::string binary = R"({"type":"done","id":"7Qm2v9xKp4TzAb","result_b64":"AP+AYQ=="})";
  const std::string abort = R"({"type":"abort","id":"7Qm2v9xKp4TzAb","requeue":true})";
  bool good = true;

  const std::size_t count = CountAllocations([&] {
    for (const std::string* line : {&done, &binary, &abort}) {
      good = good && std::holds_alternative<FromWorker>(Decode(*line));
    }
  });

  REQUIRE(good);
  REQUIRE(count == 0);
}

TEST_CASE("whole lines go through the reader and the decoder without an allocation",
          "[protocol][bare]") {
  const std::string line =
      "{\"type\":\"done\",\"id\":\"7Qm2v9xKp4TzAb\",\"result\":{\"a\":[1,2]}}\n";
  const std::string chunk = line + line + line;
  LineReader reader(kDefaultMaxLine);
  int messages = 0;

  const std::size_t count = CountAllocations([&] {
    reader.Feed(chunk, [&messages](const Line& one) {
      messages += std::holds_alternative<FromWorker>(Decode(one.text)) ? 1 : 0;
      return true;
    });
  });

  REQUIRE(messages == 3);
  REQUIRE(count == 0);
}

TEST_CASE("a job is appended with one growth of its buffer", "[protocol][bare]") {
  const std::string args = "\"" + std::string(64 << 10U, 'a') + "\"";
  JobMessage job;
  job.id = "7Qm2v9xKp4TzAb";
  job.task = "echo";
  job.args = args;
  std::string out;

  REQUIRE(CountAllocations([&] { AppendJob(out, job); }) == 1);
  out.clear();
  REQUIRE(CountAllocations([&] { AppendJob(out, job); }) == 0);
}

}  // namespace
}  // namespace workman::protocol
