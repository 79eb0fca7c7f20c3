#include "protocol/json_slicer.h"

#include <cstring>
#include <memory>

#include "protocol/json_chars.h"
#include "protocol/json_scanner.h"

namespace workman::protocol {
namespace {

/// Of eight bytes at once: none of them set means all are ASCII.
constexpr std::uint64_t kHighBits = 0x8080808080808080U;

bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/// The length of the string that begins at `text[0]`, in text that was validated before.
std::size_t StringLength(std::string_view text) {
  std::size_t i = 1;
  while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2U : 1U;
  return i + 1;
}

/// The length of the value that begins at `text[0]`, in text that was validated before.
std::size_t ValueLength(std::string_view text) {
  std::size_t i = 0;
  int depth = 0;
  while (i < text.size()) {
    switch (text[i]) {
      case '"': i += StringLength(text.substr(i)); continue;
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']': --depth; break;
      case ',':
        if (depth == 0) return i;
        break;
      default: break;
    }
    ++i;
  }
  return text.size();
}

}  // namespace

std::string_view ToString(JsonError error) {
  switch (error) {
    case JsonError::kNone: return "no error";
    case JsonError::kNotAnObject: return "the line is not a JSON object";
    case JsonError::kSyntax: return "the line is not valid JSON";
    case JsonError::kDepth: return "the JSON nests deeper than 512 levels";
    case JsonError::kDuplicateKey: return "the object has the same member twice";
    case JsonError::kTooManyMembers: return "the object has more than 64 members";
    case JsonError::kTrailingBytes: return "more bytes follow the JSON object";
    case JsonError::kBadUtf8: return "a string is not valid UTF-8";
  }
  return "";
}

JsonError Object::Parse(std::string_view text, Object& out) {
  out.count_ = 0;
  out.escaped_keys_ = false;
  Scanner scanner(text, 1);
  scanner.SkipSpace();
  if (!scanner.Take('{')) return JsonError::kNotAnObject;
  scanner.SkipSpace();
  JsonError remark = JsonError::kNone;
  bool more = !scanner.Take('}');
  while (more) {
    Member member;
    JsonError error = scanner.Key(member.key);
    if (error != JsonError::kNone) return error;
    out.escaped_keys_ = out.escaped_keys_ || scanner.escaped();
    const char* begin = scanner.position();
    error = scanner.Value();
    if (error != JsonError::kNone) return error;
    member.value = std::string_view(begin, static_cast<std::size_t>(scanner.position() - begin));
    const JsonError added = out.Add(member);
    if (remark == JsonError::kNone) remark = added;
    scanner.SkipSpace();
    more = scanner.Take(',');
    if (!more && !scanner.Take('}')) return JsonError::kSyntax;
    scanner.SkipSpace();
  }
  scanner.SkipSpace();
  return scanner.AtEnd() ? remark : JsonError::kTrailingBytes;
}

JsonError Object::Add(const Member& member) {
  if (!Find(member.key).empty()) return JsonError::kDuplicateKey;
  if (count_ == kMaxMembers) return JsonError::kTooManyMembers;
  std::construct_at(storage_.members.data() + count_, member);
  ++count_;
  return JsonError::kNone;
}

std::string_view Object::Find(std::string_view key) const {
  if (escaped_keys_) return FindEscaped(key);
  for (const Member& member : *this) {
    if (member.key == key) return member.value;
  }
  return {};
}

std::string_view Object::FindEscaped(std::string_view key) const {
  for (const Member& member : *this) {
    if (SameText(member.key, key)) return member.value;
  }
  return {};
}

bool IsJson(std::string_view text, int max_depth) {
  Scanner scanner(text, kMaxDepth - max_depth);
  scanner.SkipSpace();
  if (scanner.Value() != JsonError::kNone) return false;
  scanner.SkipSpace();
  return scanner.AtEnd();
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    std::uint64_t word = ~std::uint64_t{0};
    if (text.size() >= sizeof word) std::memcpy(&word, text.data(), sizeof word);
    if ((word & kHighBits) == 0) {
      text.remove_prefix(sizeof word);
      continue;
    }
    const std::size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view NextElement(std::string_view& rest) {
  while (!rest.empty() && (IsSpace(rest.front()) || rest.front() == ',')) rest.remove_prefix(1);
  std::string_view element = rest.substr(0, ValueLength(rest));
  rest.remove_prefix(element.size());
  while (!element.empty() && IsSpace(element.back())) element.remove_suffix(1);
  return element;
}

}  // namespace workman::protocol
