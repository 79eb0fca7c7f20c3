// The client's end reads what the daemon's end writes, and the other way round.
#include "daemon/admin/client.h"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

TEST_CASE("a request survives the wire", "[admin]") {
  Request sent;
  sent.verb = Verb::kEnqueue;
  sent.notes = true;
  sent.enqueue.form = ArgsForm::kJson;
  sent.enqueue.wait = true;
  sent.enqueue.timeout = Duration(2500);
  sent.enqueue.job = {
      "Ec\"ho", R"({"n":12345678901234567890123})", "k", Priority::kLow, Duration(10), 4, true};

  const Request got = ParseRequest(RenderRequest(sent)).value();

  CHECK(got.verb == Verb::kEnqueue);
  CHECK(got.notes);
  CHECK(got.enqueue.wait);
  CHECK(got.enqueue.timeout == sent.enqueue.timeout);
  CHECK(got.enqueue.job.task == sent.enqueue.job.task);
  CHECK(got.enqueue.job.payload == sent.enqueue.job.payload);
  CHECK(got.enqueue.job.unique == "k");
  CHECK(got.enqueue.job.priority == Priority::kLow);
  CHECK(got.enqueue.job.delay == Duration(10));
  CHECK(got.enqueue.job.max_attempts == 4);
}

TEST_CASE("binary arguments survive the wire", "[admin]") {
  Request sent;
  sent.verb = Verb::kEnqueue;
  sent.enqueue.form = ArgsForm::kBytes;
  sent.enqueue.job.task = "T";
  sent.enqueue.job.payload = std::string("\0\xff\n\"", 4);
  CHECK(ParseRequest(RenderRequest(sent)).value().enqueue.job.payload == sent.enqueue.job.payload);
}

TEST_CASE("pretty printed arguments do not break the request line", "[admin]") {
  Request sent;
  sent.verb = Verb::kEnqueue;
  sent.enqueue.form = ArgsForm::kJson;
  sent.enqueue.job.task = "T";
  sent.enqueue.job.payload = "{\n \"a\": 1\n}";
  const std::string line = RenderRequest(sent);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(ParseRequest(line).has_value());
}

TEST_CASE("scale carries its number", "[admin]") {
  Request sent;
  sent.verb = Verb::kScale;
  sent.n = 12;
  CHECK(RenderRequest(sent) == R"({"verb":"scale","n":12})");
  CHECK(ParseRequest(RenderRequest(sent)).value().n == 12);
}

TEST_CASE("a snapshot survives the wire", "[admin]") {
  Snapshot sent;
  sent.profile = "thumbs";
  sent.pid = 7;
  sent.version = "0.1.0";
  sent.generation = Generation{3};
  sent.state = DaemonState::kReloading;
  WorkerSnapshot worker;
  worker.worker = "thumbs-1";
  worker.pid = 8;
  worker.state = "busy";
  worker.generation = Generation{3};
  worker.jobs = 5;
  worker.job = JobSnapshot{"id", "T", 2, Duration(77), "args"};
  sent.workers = {worker, WorkerSnapshot{}};
  sent.queue = {"gearman", true, 2, 3, 4};
  sent.counts = {1, 2, 3, 4, 5, 6, 7};

  const Answer answer = ParseAnswer(RenderStatus(sent)).value();
  const Snapshot got = ReadSnapshot(answer.status).value();

  CHECK(RenderStatus(got) == RenderStatus(sent));
  CHECK(ReadWorkers(ParseAnswer(RenderWorkers(sent)).value().workers).value().size() == 2);
}

TEST_CASE("a note is no answer", "[admin]") {
  const Answer answer = ParseAnswer(RenderNote("queued", "17")).value();
  CHECK(answer.is_note);
  CHECK(answer.note == "queued");
  CHECK(answer.id == "17");
}

TEST_CASE("results arrive as the bytes that they were", "[admin]") {
  const auto result = [](std::string bytes) {
    return ParseAnswer(RenderResult({"9", Reply::State::kDone, std::move(bytes)})).value().result;
  };
  CHECK(result("[12345678901234567890123]") == "[12345678901234567890123]");
  CHECK(result(std::string("\0\xff", 2)) == std::string("\0\xff", 2));
}

TEST_CASE("a failed job a refused request and a wait that is over are told apart", "[admin]") {
  const Answer failed =
      ParseAnswer(RenderResult({"9", Reply::State::kFailed, R"({"message":"boom"})"})).value();
  CHECK(failed.job_failed);
  CHECK(failed.error == "boom");
  CHECK_FALSE(failed.ok);
  const Answer refused = ParseAnswer(RenderError("no")).value();
  CHECK_FALSE(refused.job_failed);
  CHECK_FALSE(refused.timed_out);
  const Answer late = ParseAnswer(RenderResult({"9", Reply::State::kTimeout, ""})).value();
  CHECK(late.timed_out);
  CHECK(late.id == "9");
}

TEST_CASE("a reload's figures arrive", "[admin]") {
  const Answer answer = ParseAnswer(RenderReload({true, Generation{3}, 2, ""})).value();
  CHECK(answer.ok);
  CHECK(answer.generation == Generation{3});
  CHECK(answer.draining == 2);
}

TEST_CASE("garbage is no answer and no snapshot", "[admin]") {
  CHECK_FALSE(ParseAnswer("HTTP/1.1 400 Bad Request").has_value());
  CHECK_FALSE(ParseAnswer("{}").has_value());
  CHECK_FALSE(ReadSnapshot("").has_value());
  CHECK_FALSE(ReadSnapshot(R"({"state":"dancing","workers":[]})").has_value());
  CHECK_FALSE(ReadSnapshot(R"({"state":"running","workers":[1]})").has_value());
  CHECK_FALSE(ReadWorkers("[{}").has_value());
}

}  // namespace
}  // namespace workmand
