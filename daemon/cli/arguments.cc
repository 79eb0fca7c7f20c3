#include "daemon/cli/arguments.h"

#include <algorithm>
#include <cstddef>

#include "protocol/json_scanner.h"
#include "protocol/json_slicer.h"

namespace workmand::cli {
namespace {

using workman::protocol::IsJson;
using workman::protocol::IsUtf8;
using workman::protocol::JsonError;
using workman::protocol::kMaxDepth;
using workman::protocol::kMaxPayloadDepth;
using workman::protocol::Scanner;

/// "line 2, column 7, at "}}"" for the byte at `offset`.
std::string Place(std::string_view bytes, std::size_t offset) {
  constexpr std::size_t kShown = 20;
  const std::string_view before = bytes.substr(0, offset);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t column = offset - (before.rfind('\n') + 1) + 1;
  std::string place = "line " + std::to_string(line) + ", column " + std::to_string(column);
  if (offset >= bytes.size()) return place + ", at the end";
  std::string_view rest = bytes.substr(offset, kShown);
  rest = rest.substr(0, rest.find('\n'));
  return place + ", at \"" + std::string(rest) + "\"";
}

std::string_view Complaint(JsonError error) {
  switch (error) {
    case JsonError::kDepth: return "they nest too deep";
    case JsonError::kBadUtf8: return "a string is not valid UTF-8";
    case JsonError::kNone:
    case JsonError::kNotAnObject:
    case JsonError::kSyntax:
    case JsonError::kDuplicateKey:
    case JsonError::kTooManyMembers:
    case JsonError::kTrailingBytes: break;
  }
  return "something else was expected";
}

Result<void> CheckJson(std::string_view bytes) {
  if (IsJson(bytes, kMaxPayloadDepth)) return {};
  Scanner scanner(bytes, kMaxDepth - kMaxPayloadDepth);
  scanner.SkipSpace();
  if (scanner.AtEnd()) {
    return Fail(ErrorCode::kInvalid, "the arguments are not valid JSON: they are empty");
  }
  const JsonError error = scanner.Value();
  if (error == JsonError::kNone) scanner.SkipSpace();
  const auto offset = static_cast<std::size_t>(scanner.position() - bytes.data());
  return Fail(ErrorCode::kInvalid,
              "the arguments are not valid JSON: " + std::string(Complaint(error)) + " (" +
                  Place(bytes, offset) + ")");
}

}  // namespace

Result<void> CheckArguments(std::string_view bytes, PayloadKind kind) {
  switch (kind) {
    case PayloadKind::kJson: return CheckJson(bytes);
    case PayloadKind::kText:
      if (IsUtf8(bytes)) return {};
      return Fail(ErrorCode::kInvalid, "the arguments are not valid UTF-8, and payload is text");
    case PayloadKind::kBase64:
    case PayloadKind::kAuto: break;
  }
  return {};
}

}  // namespace workmand::cli
