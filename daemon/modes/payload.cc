#include "daemon/modes/payload.h"

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

constexpr std::string_view kBlanks = " \t\r\n";
/// How much of an output that is no JSON its error quotes.
constexpr std::size_t kQuoted = 100;

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

FittedInput FitInput(std::string_view payload, PayloadKind kind, std::string& scratch) {
  const bool json = kind == PayloadKind::kJson || kind == PayloadKind::kAuto;
  if (json && payload.empty()) return {PayloadForm::kJson, "null", {}};
  if (json && proto::IsJson(payload, proto::kMaxPayloadDepth)) {
    return {PayloadForm::kJson, proto::OnOneLine(Trimmed(payload), scratch), {}};
  }
  if (kind == PayloadKind::kJson) {
    return {{}, {}, {"bad_payload", "the payload is not JSON (the profile says payload: json)"}};
  }
  if (kind != PayloadKind::kBase64 && proto::IsUtf8(payload)) {
    return {PayloadForm::kText, payload, {}};
  }
  if (kind == PayloadKind::kText) {
    return {{}, {}, {"bad_payload", "the payload is not UTF-8 (the profile says payload: text)"}};
  }
  return {PayloadForm::kBytes, payload, {}};
}

Result<std::string_view> ReadOutput(std::string_view output, OutputKind kind,
                                    std::string& scratch) {
  if (kind == OutputKind::kText) return output;
  const std::string_view value = Trimmed(output);
  if (value.empty()) return "null";
  if (proto::IsJson(value, proto::kMaxPayloadDepth)) return proto::OnOneLine(value, scratch);
  return Fail(ErrorCode::kInvalid,
              "the output is not one JSON value (the profile says result: "
              "json): " +
                  std::string(value.substr(0, kQuoted)));
}

}  // namespace workmand
