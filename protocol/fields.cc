#include "protocol/fields.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "protocol/json_chars.h"
#include "protocol/json_text.h"

namespace workman::protocol {
namespace {

constexpr std::size_t kMaxTaskName = 255;

bool IsString(std::string_view raw) {
  return !raw.empty() && raw.front() == '"';
}

std::string_view Inside(std::string_view raw) {
  return raw.substr(1, raw.size() - 2);
}

}  // namespace

bool IsTaskName(std::string_view name) {
  if (name.empty() || name.size() > kMaxTaskName) return false;
  char before = 0;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return false;
    // U+0080 to U+009F, the control characters beyond ASCII, are C2 80 to C2 9F.
    if (before == '\xC2' && byte < 0xA0) return false;
    before = c;
  }
  return true;
}

void Fields::Refuse(std::string_view key, std::string_view what) {
  if (!why_.empty()) return;
  why_.append(where_).append(key).append(" ").append(what);
}

void Fields::Adopt(const Fields& nested) {
  if (why_.empty()) why_ = nested.why_;
}

std::string_view Fields::Find(std::string_view key, Need need) {
  const std::string_view raw = object_.Find(key);
  if (raw.empty() && need == Need::kRequired) Refuse(key, "is missing");
  return raw;
}

std::string_view Fields::Id(Need need) {
  const std::string_view raw = Find("id", need);
  if (raw.empty()) return {};
  if (!IsString(raw) || raw.size() == 2 || HasEscape(raw)) {
    Refuse("id", "must be the string of the job message, as it came");
    return {};
  }
  return Inside(raw);
}

void Fields::Text(std::string_view key, Need need, std::string& out) {
  const std::string_view raw = Find(key, need);
  if (raw.empty()) return;
  if (!IsString(raw)) return Refuse(key, "must be a string");
  out = ReadString(raw).value_or(std::string());
}

void Fields::OneOf(std::string_view key, std::initializer_list<std::string_view> words,
                   std::string& out) {
  Text(key, Need::kOptional, out);
  if (object_.Find(key).empty()) return;
  if (std::find(words.begin(), words.end(), out) != words.end()) return;
  std::string list;
  for (const std::string_view word : words) {
    if (!list.empty()) list += ", ";
    list.append("\"").append(word).append("\"");
  }
  Refuse(key, "must be one of " + list);
}

void Fields::Flag(std::string_view key, std::optional<bool>& out) {
  const std::string_view raw = object_.Find(key);
  if (raw.empty()) return;
  out = ReadBool(raw);
  if (!out) Refuse(key, "must be true or false");
}

void Fields::Integer(std::string_view key, std::int64_t min, std::optional<std::int64_t>& out) {
  const std::string_view raw = object_.Find(key);
  if (raw.empty()) return;
  out = ReadInt(raw);
  if (!out) return Refuse(key, "must be an integer");
  if (*out < min) Refuse(key, "must be " + std::to_string(min) + " or more");
}

void Fields::Integer(std::string_view key, std::int64_t min, std::int64_t& out) {
  std::optional<std::int64_t> value;
  Integer(key, min, value);
  if (value) out = *value;
}

void Fields::Count(std::string_view key, std::int64_t min, std::int64_t& out) {
  Integer(key, min, out);
  out = std::min<std::int64_t>(out, std::numeric_limits<std::int32_t>::max());
}

void Fields::Number(std::string_view key, Need need, double& out) {
  const std::string_view raw = Find(key, need);
  if (raw.empty()) return;
  const std::optional<double> value = ReadNumber(raw);
  if (!value) return Refuse(key, "must be a number");
  out = *value;
}

void Fields::Texts(std::string_view key, std::vector<std::string>& out) {
  const std::string_view raw = object_.Find(key);
  if (raw.empty()) return;
  const bool good = ForEachElement(raw, [&out](std::string_view element) {
    if (!IsString(element)) return false;
    out.push_back(ReadString(element).value_or(std::string()));
    return true;
  });
  if (!good) Refuse(key, "must be an array of strings");
}

std::string_view Fields::Bracketed(std::string_view key, Need need, char open,
                                   std::string_view what) {
  const std::string_view raw = Find(key, need);
  if (raw.empty() || raw.front() == open) return raw;
  Refuse(key, what);
  return {};
}

std::string_view Fields::RawObject(std::string_view key, Need need) {
  return Bracketed(key, need, '{', "must be an object");
}

std::string_view Fields::RawArray(std::string_view key, Need need) {
  return Bracketed(key, need, '[', "must be an array");
}

Payload Fields::Either(std::string_view json_key, std::string_view base64_key) {
  Payload payload;
  payload.json = object_.Find(json_key);
  const std::string_view raw = object_.Find(base64_key);
  if (raw.empty()) return payload;
  if (!payload.json.empty()) {
    Refuse(base64_key, "stands beside " + std::string(json_key) + ": only one of them may");
  } else if (!IsString(raw) || !IsBase64Inside(Inside(raw))) {
    Refuse(base64_key, "must be a string of base64 with padding and without line breaks");
  }
  payload.base64 = IsString(raw) ? Inside(raw) : std::string_view();
  return payload;
}

void Fields::TaskName(std::string_view key, std::string& out) {
  const std::string_view raw = Find(key, Need::kRequired);
  if (raw.empty()) return;
  if (IsString(raw)) out = ReadString(raw).value_or(std::string());
  if (!IsTaskName(out)) Refuse(key, kTaskNameRule);
}

}  // namespace workman::protocol
