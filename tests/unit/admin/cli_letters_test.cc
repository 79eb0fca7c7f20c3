// What people and scripts see of dead letters.
#include <string>

#include <catch2/catch.hpp>

#include "daemon/cli/letters.h"

namespace workmand::cli {
namespace {

DeadLetter LostJob() {
  DeadLetter letter;
  letter.id = "17";
  letter.task = "Resize";
  letter.payload = R"({"file":"a.png"})";
  letter.error = R"({"code":"lost","message":"it ended: exit 3","stderr":"warm\n\tup"})";
  letter.attempts = 3;
  letter.deliveries = 4;
  letter.failed_at_ms = 1'764'000'030'999;
  return letter;
}

TEST_CASE("the table of dead letters has one a line", "[cli]") {
  DeadLetter other = LostJob();
  other.id = "4";
  other.task = "Mail";
  other.error = R"({"message":"no such\nmailbox"})";
  other.failed_at_ms = 0;
  CHECK(RenderLetterTable({LostJob(), other}) ==
        "JOB  TASK    ATTEMPTS  FAILED                ERROR\n"
        "17   Resize  3         2025-11-24T16:00:30Z  it ended: exit 3\n"
        "4    Mail    3         -                     no such\n");
}

TEST_CASE("the table of no dead letters is its headings", "[cli]") {
  CHECK(RenderLetterTable({}) == "JOB  TASK  ATTEMPTS  FAILED  ERROR\n");
}

TEST_CASE("a long error is cut at a whole character", "[cli]") {
  DeadLetter letter = LostJob();
  letter.error = R"({"message":")" + std::string(99, 'x') + "éé\"}";
  const std::string table = RenderLetterTable({letter});
  CHECK(table.ends_with("  " + std::string(99, 'x') + "…\n"));
}

TEST_CASE("a letter is shown with its error and last words and arguments", "[cli]") {
  CHECK(RenderLetter(LostJob()) ==
        "job         17\n"
        "task        Resize\n"
        "attempts    3\n"
        "deliveries  4\n"
        "failed      2025-11-24T16:00:30Z\n"
        "error       it ended: exit 3\n"
        "code        lost\n"
        "\n"
        "stderr:\n"
        "  warm\n"
        "      up\n"
        "\n"
        "args:\n"
        "  {\"file\":\"a.png\"}\n");
}

TEST_CASE("a letter without last words has no place for them", "[cli]") {
  DeadLetter letter = LostJob();
  letter.error = R"({"message":"boom","data":{"n":1}})";
  letter.payload.clear();
  const std::string text = RenderLetter(letter);
  CHECK(text.find("stderr") == std::string::npos);
  CHECK(text.find("data        {\"n\":1}\n") != std::string::npos);
  CHECK(text.ends_with("\nargs: none\n"));
}

TEST_CASE("an error that is no object is shown as it is", "[cli]") {
  DeadLetter letter = LostJob();
  letter.error = "boom";
  CHECK(RenderLetter(letter).find("error       boom\n") != std::string::npos);
  CHECK(RenderLetterJson(letter).find(R"("error":{"message":"boom"}})") != std::string::npos);
}

TEST_CASE("a letter cannot send the terminal commands", "[cli]") {
  DeadLetter letter = LostJob();
  letter.task = "\033[2J";
  letter.error = R"({"message":"\u001b[2J","stderr":"\u001b]0;owned\u0007"})";
  letter.payload = "\033[2J";
  CHECK(RenderLetter(letter).find('\033') == std::string::npos);
  CHECK(RenderLetterTable({letter}).find('\033') == std::string::npos);
}

TEST_CASE("arguments that are no text are shown as base64", "[cli]") {
  DeadLetter letter = LostJob();
  letter.payload = "\xFF\xFE";
  CHECK(RenderLetter(letter).ends_with("\nargs, as base64:\n  //4=\n"));
}

TEST_CASE("a listed letter in JSON keeps its arguments to itself", "[cli]") {
  CHECK(RenderLetterJson(LostJob()) ==
        R"({"id":"17","task":"Resize","attempts":3,"deliveries":4,"failed_at":1764000030999,)"
        R"("error":{"code":"lost","message":"it ended: exit 3","stderr":"warm\n\tup"}})");
  DeadLetter undated = LostJob();
  undated.failed_at_ms = 0;
  CHECK(RenderLetterJson(undated).find(R"("failed_at":null,)") != std::string::npos);
}

TEST_CASE("the arguments in JSON have the form that enqueue takes", "[cli]") {
  DeadLetter letter = LostJob();
  letter.payload = "{\"n\":\n1}";
  CHECK(RenderLetterJson(letter, PayloadKind::kJson).ends_with(R"(,"args":{"n":1}})"));
  CHECK(RenderLetterJson(letter, PayloadKind::kText).ends_with(R"(,"args":"{\"n\":\n1}"})"));
  CHECK(RenderLetterJson(letter, PayloadKind::kBase64).ends_with(R"(,"args_b64":"eyJuIjoKMX0="})"));
  letter.payload = "\xFF\xFE";
  CHECK(RenderLetterJson(letter, PayloadKind::kAuto).ends_with(R"(,"args_b64":"//4="})"));
  CHECK(RenderLetterJson(letter, PayloadKind::kText).ends_with(R"(,"args_b64":"//4="})"));
}

TEST_CASE("a time is shown in UTC to the second", "[cli]") {
  CHECK(UtcTime(0) == "-");
  CHECK(UtcTime(1'764'000'030'000) == "2025-11-24T16:00:30Z");
}

}  // namespace
}  // namespace workmand::cli
