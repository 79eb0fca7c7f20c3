#include "daemon/queue/drivers/element_text.h"

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::element {

namespace json = workman::protocol;

bool ReadMembers(std::string_view text, json::Object& members) {
  const json::JsonError error = json::Object::Parse(text, members);
  return error == json::JsonError::kNone || error == json::JsonError::kDuplicateKey ||
         error == json::JsonError::kTooManyMembers;
}

std::string StringOf(const json::Object& object, std::string_view key) {
  return json::ReadString(object.Find(key)).value_or("");
}

std::string Quoted(std::string_view text) {
  std::string quoted;
  json::AppendString(quoted, text);
  return quoted;
}

std::string ToArguments(std::string_view payload, int& whole) {
  // Space around a value would not come back.
  const bool bare = !payload.empty() && payload.front() > ' ' && payload.back() > ' ';
  // An element puts two levels around it.
  if (bare && json::IsJson(payload, json::kMaxPayloadDepth - 2)) {
    whole = payload.front() == '[' ? 0 : 1;
    return whole == 0 ? std::string(payload) : "[" + std::string(payload) + "]";
  }
  whole = 2;
  std::string text = "[\"";
  json::AppendBase64(text, payload);
  return text + "\"]";
}

std::string ToPayload(std::string_view arguments, int whole) {
  if (arguments.empty()) return "[]";
  if (whole == 0 || arguments.size() < 2) return std::string(arguments);
  std::string_view inside = arguments.substr(1, arguments.size() - 2);
  const std::string_view first = json::NextElement(inside);
  if (whole == 1) return std::string(first);
  if (first.size() < 2) return std::string(arguments);
  return json::DecodeBase64Inside(first.substr(1, first.size() - 2))
      .value_or(std::string(arguments));
}

std::string MemberText(std::string_view object, std::string_view name) {
  json::Object members;
  if (!ReadMembers(object, members)) return {};
  const std::string_view raw = members.Find(name);
  return json::ReadString(raw).value_or(std::string(raw));
}

ErrorWords ReadError(std::string_view error) {
  json::Object object;
  if (!ReadMembers(error, object)) return {std::string(error), "Error", ""};
  ErrorWords words{StringOf(object, "message"), StringOf(object, "class"),
                   StringOf(object, "trace")};
  if (words.type.empty()) words.type = "Error";
  return words;
}

}  // namespace workmand::element
