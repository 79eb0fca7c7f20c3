#include "daemon/modes/payload.h"

#include <string>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

struct Fit {
  PayloadForm form;
  std::string bytes;
  std::string code;
  friend bool operator==(const Fit&, const Fit&) = default;
};

Fit Try(std::string_view payload, PayloadKind kind) {
  std::string scratch;
  const FittedInput input = FitInput(payload, kind, scratch);
  return {input.form, std::string(input.bytes), std::string(input.unfit.code)};
}

}  // namespace

TEST_CASE("a payload gets the form that the profile asks for", "[modes]") {
  using Form = PayloadForm;
  const std::string binary("\xff\x00\n", 3);

  CHECK(Try("{\n \"a\": 1\n}\n", PayloadKind::kJson) == Fit{Form::kJson, "{ \"a\": 1}", ""});
  CHECK(Try("", PayloadKind::kJson) == Fit{Form::kJson, "null", ""});
  CHECK(Try("a b", PayloadKind::kJson).code == "bad_payload");
  CHECK(Try("{\"a\":1}", PayloadKind::kText) == Fit{Form::kText, "{\"a\":1}", ""});
  CHECK(Try("", PayloadKind::kText) == Fit{Form::kText, "", ""});
  CHECK(Try(binary, PayloadKind::kText).code == "bad_payload");
  CHECK(Try("{\"a\":1}", PayloadKind::kBase64) == Fit{Form::kBytes, "{\"a\":1}", ""});
  CHECK(Try("[1]", PayloadKind::kAuto) == Fit{Form::kJson, "[1]", ""});
  CHECK(Try("a b", PayloadKind::kAuto) == Fit{Form::kText, "a b", ""});
  CHECK(Try(binary, PayloadKind::kAuto) == Fit{Form::kBytes, binary, ""});
}

TEST_CASE("an output is one JSON value or bytes as they are", "[modes]") {
  std::string scratch;
  const auto json = [&](std::string_view output) {
    const auto result = ReadOutput(output, OutputKind::kJson, scratch);
    return result ? std::string(*result) : "error: " + result.error().message;
  };

  CHECK(json(" {\"n\":\n 12345678901234567890}\r\n\n") == "{\"n\": 12345678901234567890}");
  CHECK(json("\"é\"") == "\"é\"");
  CHECK(json("") == "null");
  CHECK(json(" \n") == "null");
  CHECK(json("1 2").find("error: the output is not one JSON value") == 0);
  CHECK(json("hello\n").find(": hello") != std::string::npos);
  CHECK(*ReadOutput("a\n\n", OutputKind::kText, scratch) == "a\n\n");
}

}  // namespace workmand
