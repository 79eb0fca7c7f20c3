// The JSON of list elements: slices of text, never a document that is built and written anew.
#include <array>

#include "daemon/queue/drivers/redis_lists.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::redis {
namespace {

namespace json = workman::protocol;

constexpr std::string_view kMember = "workman";

bool Usable(json::JsonError error) {
  return error == json::JsonError::kNone || error == json::JsonError::kDuplicateKey ||
         error == json::JsonError::kTooManyMembers;
}

int IntOf(const json::Object& object, std::string_view key) {
  return static_cast<int>(json::ReadInt(object.Find(key)).value_or(0));
}

std::string StringOf(const json::Object& object, std::string_view key) {
  return json::ReadString(object.Find(key)).value_or("");
}

/// The scripts find the meta by its having no braces inside.
std::string QuotedWithoutBraces(std::string_view text) {
  std::string safe;
  for (const char c : Quoted(text)) {
    if (c == '{') {
      safe += "\\u007b";
    } else if (c == '}') {
      safe += "\\u007d";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

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

std::string WithMeta(std::string_view body, const Meta& meta) {
  std::string element(body.substr(0, body.rfind('}')));
  element += R"(,"workman":{"id":)" + QuotedWithoutBraces(meta.id);
  if (!meta.unique.empty()) element += ",\"unique\":" + QuotedWithoutBraces(meta.unique);
  for (const auto& [name, value] : {std::pair<const char*, int>("ends", meta.ends),
                                    std::pair<const char*, int>("seen", meta.seen),
                                    std::pair<const char*, int>("max", meta.max),
                                    std::pair<const char*, int>("whole", meta.whole)}) {
    if (value != 0) element += ",\"" + std::string(name) + "\":" + std::to_string(value);
  }
  return element + "}}";
}

std::string WithoutMeta(std::string_view element, Meta& meta) {
  json::Object object;
  json::Object own;
  if (!Usable(json::Object::Parse(element, object))) return std::string(element);
  const std::string_view raw = object.Find(kMember);
  if (raw.empty() || !Usable(json::Object::Parse(raw, own))) return std::string(element);
  meta = {StringOf(own, "id"), StringOf(own, "unique"), IntOf(own, "ends"),
          IntOf(own, "seen"),  IntOf(own, "max"),       IntOf(own, "whole")};
  return Without(element, kMember);
}

std::string Without(std::string_view body, std::string_view name) {
  json::Object object;
  if (!Usable(json::Object::Parse(body, object))) return std::string(body);
  std::string rest = "{";
  for (const json::Member& member : object) {
    if (member.key == name) continue;
    rest += (rest.size() > 1 ? ",\"" : "\"") + std::string(member.key) + "\":";
    rest += member.value;
  }
  return rest + "}";
}

std::string WithMembers(std::string_view body,
                        const std::vector<std::pair<std::string, std::string>>& members) {
  json::Object object;
  std::string out = "{";
  if (Usable(json::Object::Parse(body, object))) {
    for (const json::Member& member : object) {
      bool replaced = false;
      for (const auto& [name, value] : members) replaced = replaced || member.key == name;
      if (replaced) continue;
      out += (out.size() > 1 ? ",\"" : "\"") + std::string(member.key) + "\":";
      out += member.value;
    }
  }
  for (const auto& [name, value] : members) {
    out += (out.size() > 1 ? ",\"" : "\"") + name + "\":" + value;
  }
  return out + "}";
}

std::string MemberText(std::string_view object, std::string_view name) {
  json::Object members;
  if (!Usable(json::Object::Parse(object, members))) return {};
  const std::string_view raw = members.Find(name);
  return json::ReadString(raw).value_or(std::string(raw));
}

ErrorWords ReadError(std::string_view error) {
  json::Object object;
  if (!Usable(json::Object::Parse(error, object))) return {std::string(error), "Error", ""};
  ErrorWords words{StringOf(object, "message"), StringOf(object, "class"),
                   StringOf(object, "trace")};
  if (words.type.empty()) words.type = "Error";
  return words;
}

}  // namespace workmand::redis
