// How the arguments of a request become the bytes on the queue.
#include <string>

#include <catch2/catch.hpp>

#include "daemon/admin/verbs.h"

namespace workmand {
namespace {

EnqueueRequest WithArgs(ArgsForm form, std::string payload) {
  EnqueueRequest request;
  request.form = form;
  request.job.payload = std::move(payload);
  return request;
}

std::string Fitted(ArgsForm form, std::string payload, PayloadKind kind) {
  EnqueueRequest request = WithArgs(form, std::move(payload));
  const Result<void> fits = FitPayload(request, kind);
  return fits ? request.job.payload : "refused: " + fits.error().message;
}

TEST_CASE("a json profile carries the text of args as it is", "[admin]") {
  CHECK(Fitted(ArgsForm::kJson, R"("hello")", PayloadKind::kJson) == R"("hello")");
  CHECK(Fitted(ArgsForm::kJson, "{ \"a\" : 1 }", PayloadKind::kJson) == "{ \"a\" : 1 }");
}

TEST_CASE("missing args are null where the payload is json and else empty", "[admin]") {
  CHECK(Fitted(ArgsForm::kNone, "", PayloadKind::kJson) == "null");
  CHECK(Fitted(ArgsForm::kNone, "", PayloadKind::kText).empty());
  CHECK(Fitted(ArgsForm::kNone, "", PayloadKind::kBase64).empty());
  CHECK(Fitted(ArgsForm::kNone, "", PayloadKind::kAuto).empty());
}

TEST_CASE("a JSON string stands for its characters where the payload is text or binary",
          "[admin]") {
  CHECK(Fitted(ArgsForm::kJson, R"("a\nb")", PayloadKind::kText) == "a\nb");
  CHECK(Fitted(ArgsForm::kJson, R"("a\nb")", PayloadKind::kBase64) == "a\nb");
  CHECK(Fitted(ArgsForm::kJson, R"("a\nb")", PayloadKind::kAuto) == R"("a\nb")");
  CHECK(Fitted(ArgsForm::kJson, "[1]", PayloadKind::kText) == "[1]");
}

TEST_CASE("base64 bytes must be what the profile carries", "[admin]") {
  CHECK(Fitted(ArgsForm::kBytes, "[1]", PayloadKind::kJson) == "[1]");
  CHECK(Fitted(ArgsForm::kBytes, "[1", PayloadKind::kJson).rfind("refused: args_b64: ", 0) == 0);
  CHECK(Fitted(ArgsForm::kBytes, "\xff", PayloadKind::kText).rfind("refused: args_b64: ", 0) == 0);
  CHECK(Fitted(ArgsForm::kBytes, "\xff", PayloadKind::kBase64) == "\xff");
  CHECK(Fitted(ArgsForm::kBytes, "\xff", PayloadKind::kAuto) == "\xff");
}

}  // namespace
}  // namespace workmand
