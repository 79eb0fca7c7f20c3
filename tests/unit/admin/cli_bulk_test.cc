// `workman enqueue --from`, line by line.
#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "daemon/cli/bulk_line.h"

namespace workmand::cli {
namespace {

Result<std::optional<Enqueue>> Parse(std::string_view text, PayloadKind kind = PayloadKind::kJson) {
  return ParseBulkLine({text, false}, kind);
}

TEST_CASE("a bulk line becomes a job with its arguments byte for byte", "[cli]") {
  const std::optional<Enqueue> job =
      Parse(R"({"task":"T","args":{"n": 12345678901234567890123},"delay_ms":5,"priority":"low",)"
            R"("unique":"u","max_attempts":2})")
          .value();
  REQUIRE(job.has_value());
  CHECK(job->task == "T");
  CHECK(job->payload == R"({"n": 12345678901234567890123})");
  CHECK(job->delay == Duration(5));
  CHECK(job->priority == Priority::kLow);
  CHECK(job->unique == "u");
  CHECK(job->max_attempts == 2);
  CHECK_FALSE(job->foreground);
}

TEST_CASE("a blank line is no job and no error", "[cli]") {
  CHECK_FALSE(Parse("").value().has_value());
  CHECK_FALSE(Parse(" \t").value().has_value());
}

TEST_CASE("a bad line is a sentence that names what is wrong", "[cli]") {
  CHECK(Parse("{").error().message == "the line is not valid JSON");
  CHECK(Parse(R"({"args":1})").error().message == "task: must be there (the name of what to run)");
  CHECK(Parse(R"({"task":"T","prio":"low"})").error().message.find("\"prio\"") !=
        std::string::npos);
}

TEST_CASE("a line that was cut for its length is bad", "[cli]") {
  const auto job = ParseBulkLine({R"({"task":"T"})", true}, PayloadKind::kJson);
  REQUIRE_FALSE(job.has_value());
  CHECK(job.error().message == "the line is too long for this profile");
}

TEST_CASE("a bulk line follows the payload of the profile", "[cli]") {
  CHECK(Parse(R"({"task":"T","args":"a\nb"})", PayloadKind::kText).value()->payload == "a\nb");
  CHECK(Parse(R"({"task":"T","args_b64":"AP8="})", PayloadKind::kBase64).value()->payload ==
        std::string("\0\xff", 2));
  CHECK_FALSE(Parse(R"({"task":"T","args_b64":"AP8="})", PayloadKind::kJson).has_value());
}

TEST_CASE("progress shows a bar only where the end is known", "[cli]") {
  CHECK(RenderProgress({10, 1, 0}, std::nullopt) == "1 job");
  CHECK(RenderProgress({10, 8, 2}, std::nullopt) == "8 jobs, 2 bad lines");
  CHECK(RenderProgress({10, 8, 1}, 0.5) ==
        "[###############---------------]  50%  8 jobs, 1 bad line");
  CHECK(RenderProgress({1, 1, 0}, 1.0) == "[##############################] 100%  1 job");
}

TEST_CASE("a file that grows while it is read keeps the bar inside its brackets", "[cli]") {
  CHECK(RenderProgress({1, 1, 0}, 7.0) == RenderProgress({1, 1, 0}, 1.0));
}

}  // namespace
}  // namespace workmand::cli
