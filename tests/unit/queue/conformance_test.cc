#include "daemon/queue/conformance.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

/// What is wrong with a driver.
enum class Fault { kNone, kForgetsTheFence, kReturnsEarly, kTakesTheWake, kThrows, kNoPriority };

/// A driver that is right but for one fault.
class FaultyQueue final : public Queue {
 public:
  FaultyQueue(std::unique_ptr<Queue> inner, Fault fault)
      : inner_(std::move(inner)), fault_(fault) {}

  [[nodiscard]] Caps GetCaps() const override {
    Caps caps = inner_->GetCaps();
    if (fault_ == Fault::kNoPriority) caps.bits &= ~static_cast<std::uint32_t>(Cap::kPriority);
    return caps;
  }
  void Connect() override { inner_->Connect(); }
  void Disconnect() noexcept override { inner_->Disconnect(); }
  void RegisterTasks(std::span<const Subscription> tasks) override { inner_->RegisterTasks(tasks); }
  std::string Put(const Enqueue& job) override {
    if (fault_ == Fault::kThrows) throw std::logic_error("a bug");
    return inner_->Put(job);
  }
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
               const Waker& waker) override {
    inner_->Dequeue(out, n, fault_ == Fault::kReturnsEarly ? Duration{0} : timeout, waker);
    if (fault_ == Fault::kTakesTheWake) (void)waker.Take();
  }
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    inner_->Apply(updates, answers);
    if (fault_ == Fault::kForgetsTheFence) answers[0] = Applied::kOk;
  }

 private:
  std::unique_ptr<Queue> inner_;
  Fault fault_;
};

CaseResult RunOne(Fault fault, std::string_view number) {
  Profile profile;
  profile.queue.driver = "memory";
  const DriverConfig config = MakeDriverConfig(profile);
  ConformanceFixture fixture;
  fixture.driver = "memory";
  fixture.open = [&](Role role, Duration lease) -> std::unique_ptr<Queue> {
    DriverConfig own = config;
    own.lease_time = lease;
    return std::make_unique<FaultyQueue>(std::move(*OpenQueue(own, role)), fault);
  };
  const auto results = RunConformance(fixture, number);
  REQUIRE(results.size() == 1);
  return results[0];
}

TEST_CASE("the contract passes a driver that keeps it", "[queue]") {
  CHECK(RunOne(Fault::kNone, "8").verdict == Verdict::kPass);
  CHECK(RunOne(Fault::kNone, "16").verdict == Verdict::kPass);
}

TEST_CASE("the contract finds a second done that is not lost", "[queue]") {
  const CaseResult result = RunOne(Fault::kForgetsTheFence, "8");

  CHECK(result.verdict == Verdict::kFail);
  CHECK(result.detail == "a second done was not answered lost");
}

TEST_CASE("the contract finds a dequeue that does not wait", "[queue]") {
  const CaseResult result = RunOne(Fault::kReturnsEarly, "1");

  CHECK(result.verdict == Verdict::kFail);
  CHECK_THAT(result.detail, Catch::Contains("before its time-out"));
}

TEST_CASE("the contract finds a driver that takes the wake", "[queue]") {
  const CaseResult result = RunOne(Fault::kTakesTheWake, "18");

  CHECK(result.verdict == Verdict::kFail);
  CHECK(result.detail == "the driver took the wake");
}

TEST_CASE("the contract tells an exception that no driver may throw", "[queue]") {
  const CaseResult result = RunOne(Fault::kThrows, "3");

  CHECK(result.verdict == Verdict::kFail);
  CHECK(result.detail == "the driver threw what no driver may: a bug");
}

TEST_CASE("a case that does not apply says why", "[queue]") {
  const CaseResult result = RunOne(Fault::kNoPriority, "39");

  CHECK(result.verdict == Verdict::kNotApplicable);
  CHECK(result.detail == "the driver has no priority");
  CHECK_FALSE(Passed({result}));
}

}  // namespace
}  // namespace workmand
