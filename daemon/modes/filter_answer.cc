#include "daemon/modes/filter_answer.h"

#include <utility>

#include "daemon/modes/arguments.h"
#include "daemon/modes/payload.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

constexpr std::size_t kLongestMessage = 1000;

}  // namespace

AnswerReader::AnswerReader(const LinesOptions& options) : options_(options) {
  if (options_.error_match.empty()) return;
  if (auto pattern = Pattern::Compile(options_.error_match)) error_ = std::move(*pattern);
}

FilterAnswer AnswerReader::Read(std::string_view frame) {
  if (error_ && error_->FoundIn(frame)) {
    return Failed("filter_error", std::string(frame.substr(0, kLongestMessage)));
  }
  auto result = ReadOutput(frame, options_.result, scratch_);
  if (!result) return Failed("bad_result", result.error().message);
  if (!options_.error_key.empty() && result->front() == '{') {
    if (auto failed = ErrorMember(*result)) return *std::move(failed);
  }
  return {true, *result, {}};
}

FilterAnswer AnswerReader::Failed(std::string_view code, std::string message) {
  error_object_ = proto::MakeError(code, message);
  return {false, error_object_, std::move(message)};
}

std::optional<FilterAnswer> AnswerReader::ErrorMember(std::string_view json) {
  const std::string_view error = MemberOf(json, options_.error_key);
  if (error.empty() || error == "null" || error == "false") return std::nullopt;
  // An error object of the usual shape is passed on with all that it says.
  if (error.front() == '{') {
    std::string message = proto::ErrorMessage(error);
    if (!message.empty()) return FilterAnswer{false, error, std::move(message)};
  }
  const std::string_view text = error.substr(0, kLongestMessage);
  std::string message = error.front() == '"' ? proto::ReadString(error).value_or(std::string(text))
                                             : std::string(text);
  return Failed("filter_error", std::move(message));
}

}  // namespace workmand
