#include <algorithm>

#include <catch2/catch.hpp>

#include "daemon/queue/pump.h"
#include "tests/unit/queue/fake_queue.h"

namespace workmand {
namespace {

class Harness {
 public:
  std::shared_ptr<Script> script = std::make_shared<Script>();
  std::vector<Producer::Done> done;

  void Start(Duration backoff = Duration{1}) {
    PumpOptions options;
    options.backoff_min = options.backoff_max = backoff;
    producer_ = std::make_unique<Producer>(std::make_unique<FakeQueue>(script), options,
                                           [this] { bell_.Ring(); });
  }
  Producer& producer() { return *producer_; }

  void Put(std::uint64_t request, std::string payload, bool foreground) {
    Enqueue job;
    job.task = "a";
    job.payload = std::move(payload);
    job.foreground = foreground;
    producer_->Put(request, std::move(job));
  }
  bool UntilDone(std::size_t n) {
    producer_->Drain(done);
    while (done.size() < n) {
      if (!bell_.Wait()) return false;
      producer_->Drain(done);
    }
    return true;
  }

 private:
  Bell bell_;
  std::unique_ptr<Producer> producer_;
};

TEST_CASE("a put answers with the id or with the reason", "[queue]") {
  Harness harness;
  harness.Start();
  harness.Put(7, "x", false);
  harness.producer().Put(8, Enqueue{});

  REQUIRE(harness.UntilDone(2));

  CHECK(harness.done[0].request == 7);
  CHECK(harness.done[0].put->id == "id-x");
  CHECK(harness.done[1].request == 8);
  CHECK(harness.done[1].put->id.empty());
  CHECK(harness.done[1].put->error == "a job needs the name of a task");
}

TEST_CASE("a foreground put is followed by its reply", "[queue]") {
  Harness harness;
  harness.Start();
  harness.Put(7, "x", true);
  REQUIRE(harness.UntilDone(1));

  harness.script->Answer({"id-x", Reply::State::kDone, "42"});

  REQUIRE(harness.UntilDone(2));
  CHECK(harness.done[1].request == 7);
  CHECK(harness.done[1].reply->bytes == "42");
}

TEST_CASE("two callers of one job both get the reply", "[queue]") {
  Harness harness;
  harness.Start();
  harness.Put(7, "x", true);
  harness.Put(8, "x", true);
  REQUIRE(harness.UntilDone(2));

  harness.script->Answer({"id-x", Reply::State::kDone, "42"});

  REQUIRE(harness.UntilDone(4));
  CHECK(harness.done[2].reply->bytes == "42");
  CHECK(harness.done[3].reply->bytes == "42");
}

TEST_CASE("a caller that has gone gets no reply", "[queue]") {
  Harness harness;
  harness.Start();
  harness.Put(7, "x", true);
  harness.Put(8, "y", true);
  REQUIRE(harness.UntilDone(2));
  harness.producer().Forget(7);
  harness.Put(9, "z", false);
  REQUIRE(harness.UntilDone(3));

  harness.script->Answer({"id-x", Reply::State::kDone, "1"});
  harness.script->Answer({"id-y", Reply::State::kDone, "2"});

  REQUIRE(harness.UntilDone(4));
  CHECK(harness.done[3].request == 8);
}

TEST_CASE("while the queue is down a put is refused at once", "[queue]") {
  Harness harness;
  harness.script->on_connect = [](int) { throw ConnectionLost("refused"); };
  harness.Start(Duration{3'600'000});
  harness.Put(7, "x", false);

  REQUIRE(harness.UntilDone(1));

  CHECK(harness.done[0].put->id.empty());
  CHECK(harness.done[0].put->error == "the queue is down: refused");
}

TEST_CASE("a session lost in a put says that the job may be there", "[queue]") {
  Harness harness;
  harness.Start();
  harness.script->ThrowNext([] { throw ConnectionLost("gone"); });
  harness.Put(7, "x", false);

  REQUIRE(harness.UntilDone(1));

  CHECK_THAT(harness.done[0].put->error, Catch::Contains("may or may not be there: gone"));
}

TEST_CASE("a session lost under a waiting caller ends the wait", "[queue]") {
  Harness harness;
  harness.Start();
  harness.Put(7, "x", true);
  REQUIRE(harness.UntilDone(1));

  harness.script->ThrowNext([] { throw ConnectionLost("gone"); });

  REQUIRE(harness.UntilDone(2));
  CHECK(harness.done[1].reply->state == Reply::State::kFailed);
  CHECK_THAT(harness.done[1].reply->bytes, Catch::Contains("may still be done"));
}

TEST_CASE("where holds survive a caller waits over a lost session", "[queue]") {
  Harness harness;
  harness.script->caps = static_cast<std::uint32_t>(Cap::kHoldSurvives);
  harness.Start();
  harness.Put(7, "x", true);
  REQUIRE(harness.UntilDone(1));
  harness.script->ThrowNext([] { throw std::runtime_error("a bug"); });
  Script& script = *harness.script;
  REQUIRE(script.Until([&] { return script.connects == 2; }));

  harness.script->Answer({"id-x", Reply::State::kDone, "42"});

  REQUIRE(harness.UntilDone(2));
  CHECK(harness.done[1].reply->bytes == "42");
}

TEST_CASE("a stop puts what was asked for before it", "[queue]") {
  Harness harness;
  harness.Start();
  harness.Put(1, "first", false);
  REQUIRE(harness.UntilDone(1));
  harness.Put(2, "last", false);

  REQUIRE(harness.producer().Stop(kDeadline));

  REQUIRE(harness.UntilDone(2));
  CHECK(harness.done[1].put->id == "id-last");
}

}  // namespace
}  // namespace workmand
