// The JSON of list elements: slices of text, never a document that is built and written anew.
#include <array>

#include "daemon/queue/drivers/redis_lists.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::redis {
namespace {

namespace json = workman::protocol;
using element::ReadMembers;
using element::StringOf;

constexpr std::string_view kMember = "workman";

int IntOf(const json::Object& object, std::string_view key) {
  return static_cast<int>(json::ReadInt(object.Find(key)).value_or(0));
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
  if (!ReadMembers(element, object)) return std::string(element);
  const std::string_view raw = object.Find(kMember);
  if (raw.empty() || !ReadMembers(raw, own)) return std::string(element);
  meta = {StringOf(own, "id"), StringOf(own, "unique"), IntOf(own, "ends"),
          IntOf(own, "seen"),  IntOf(own, "max"),       IntOf(own, "whole")};
  return Without(element, kMember);
}

std::string Without(std::string_view body, std::string_view name) {
  json::Object object;
  if (!ReadMembers(body, object)) return std::string(body);
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
  if (ReadMembers(body, object)) {
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

}  // namespace workmand::redis
