#include "daemon/core/policy.h"

#include <set>
#include <string>

#include <catch2/catch.hpp>

namespace workmand {

TEST_CASE("limits apply in the order job then profile task then announcement then profile",
          "[policy]") {
  Limits limits;
  limits.time_limit = Duration{1};
  limits.max_attempts = 1;
  Announcement announced;
  Job job;
  job.task = "T";
  CHECK(Resolve(job, limits, &announced).time_limit == Duration{1});
  CHECK(Resolve(job, limits, &announced).max_attempts == 1);

  announced.tasks["T"].time_limit = Duration{2};
  announced.tasks["T"].max_attempts = 2;
  CHECK(Resolve(job, limits, &announced).time_limit == Duration{2});
  CHECK(Resolve(job, limits, &announced).max_attempts == 2);

  limits.tasks["T"].time_limit = Duration{0};
  limits.tasks["T"].max_attempts = 3;
  CHECK(Resolve(job, limits, &announced).time_limit == Duration{0});
  CHECK(Resolve(job, limits, &announced).max_attempts == 3);

  job.max_attempts = 4;
  CHECK(Resolve(job, limits, &announced).max_attempts == 4);
}

TEST_CASE("the retry delay grows by its factor up to its maximum and jitter only shortens it",
          "[policy]") {
  const RetryBackoff backoff{Duration{1'000}, Duration{5'000}, 2, 0.2};
  CHECK(RetryDelay(backoff, 1, 0) == Duration{1'000});
  CHECK(RetryDelay(backoff, 2, 0) == Duration{2'000});
  CHECK(RetryDelay(backoff, 4, 0) == Duration{5'000});
  CHECK(RetryDelay(backoff, 400, 0) == Duration{5'000});
  CHECK(RetryDelay(backoff, 1, 0.5) == Duration{900});
  CHECK(RetryDelay(backoff, 4, 1.0) == Duration{4'000});
}

TEST_CASE("the drawn number of jobs never exceeds the maximum nor falls below one", "[policy]") {
  CHECK(DrawMaxJobs(0, 0.1, 0.9) == 0);
  CHECK(DrawMaxJobs(100, 0.1, 0) == 100);
  CHECK(DrawMaxJobs(100, 0.1, 0.999) == 91);
  CHECK(DrawMaxJobs(1, 1.0, 0.999) == 1);
}

TEST_CASE("a job ends at its attempts or at too many deliveries", "[policy]") {
  Job job;
  job.attempt = 2;
  job.deliveries = 2;
  CHECK_FALSE(IsExhausted(job, 3, 10));
  job.attempt = 3;
  CHECK(IsExhausted(job, 3, 10));
  job.attempt = 1;
  job.deliveries = 13;
  CHECK(IsExhausted(job, 3, 10));
}

TEST_CASE("an abort counts once max_aborts were free", "[policy]") {
  Job job;
  job.attempt = 1;
  job.deliveries = 1;
  CHECK(AbortCounts(job, 0));
  CHECK_FALSE(AbortCounts(job, 1));
  job.deliveries = 2;
  CHECK(AbortCounts(job, 1));
}

TEST_CASE("delivery ids are sixteen letters and digits and do not repeat", "[policy]") {
  Random random(42);
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id(random.NextDeliveryId().view());
    REQUIRE(id.size() == DeliveryId::kLength);
    REQUIRE(
        id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
        std::string::npos);
    REQUIRE(seen.insert(id).second);
  }
}

}  // namespace workmand
