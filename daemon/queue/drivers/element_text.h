// The jobs of Resque, Sidekiq and Celery are JSON with an array of arguments: slices of it as text,
// never a document that is built and written anew. Pure.
#pragma once

#include <string>
#include <string_view>

#include "protocol/json_slicer.h"

namespace workmand::element {

/// `payload` as an array of arguments. `whole`: 0 = it is the array, 1 = it is the only element, 2
/// = it is no JSON and stands as base64 in the only element.
[[nodiscard]] std::string ToArguments(std::string_view payload, int& whole);
/// The other way round; `arguments` was validated before.
[[nodiscard]] std::string ToPayload(std::string_view arguments, int whole);
/// A JSON string.
[[nodiscard]] std::string Quoted(std::string_view text);
/// The members of a JSON object; false = it is none. Of two with one name the first counts.
bool ReadMembers(std::string_view text, workman::protocol::Object& members);
/// A member that is a string; else empty.
[[nodiscard]] std::string StringOf(const workman::protocol::Object& object, std::string_view key);
/// The member `name` of a JSON object as text: a string without its quotes, else raw JSON.
[[nodiscard]] std::string MemberText(std::string_view object, std::string_view name);
/// What an error says of itself, with words for what it does not say.
struct ErrorWords {
  std::string message;
  std::string type;
  std::string trace;  ///< may be empty
};
[[nodiscard]] ErrorWords ReadError(std::string_view error);

}  // namespace workmand::element
