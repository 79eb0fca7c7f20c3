#include "protocol/json_scanner.h"

#include <cstddef>

#include "protocol/json_chars.h"

namespace workman::protocol {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

bool Scanner::Escape() {
  ++p_;
  if (p_ == end_) return false;
  const char kind = *p_++;
  if (kind != 'u') return std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos;
  if (end_ - p_ < 4) return false;
  for (const char* stop = p_ + 4; p_ != stop; ++p_) {
    if (!IsHexDigit(*p_)) return false;
  }
  return true;
}

JsonError Scanner::String() {
  if (!Take('"')) return JsonError::kSyntax;
  escaped_ = false;
  for (;;) {
    SkipPlain();
    if (p_ == end_) return JsonError::kSyntax;
    const char c = *p_;
    if (c == '"') {
      ++p_;
      return JsonError::kNone;
    }
    if (c == '\\') {
      escaped_ = true;
      if (!Escape()) return JsonError::kSyntax;
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x20) return JsonError::kSyntax;
    while (p_ != end_ && static_cast<unsigned char>(*p_) >= 0x80) {
      const std::size_t length =
          Utf8Length(std::string_view(p_, static_cast<std::size_t>(end_ - p_)));
      if (length == 0) return JsonError::kBadUtf8;
      p_ += length;
    }
  }
}

JsonError Scanner::Key(std::string_view& key) {
  const char* begin = p_ + 1;
  const JsonError error = String();
  if (error != JsonError::kNone) return error;
  key = std::string_view(begin, static_cast<std::size_t>(p_ - begin - 1));
  SkipSpace();
  if (!Take(':')) return JsonError::kSyntax;
  SkipSpace();
  return JsonError::kNone;
}

bool Scanner::Digits() {
  const char* begin = p_;
  while (p_ != end_ && IsDigit(*p_)) ++p_;
  return p_ != begin;
}

bool Scanner::Number() {
  Take('-');
  if (!Take('0') && !Digits()) return false;
  if (Take('.') && !Digits()) return false;
  if (Take('e') || Take('E')) {
    if (!Take('+')) Take('-');
    return Digits();
  }
  return true;
}

bool Scanner::Literal(std::string_view word) {
  const auto left = static_cast<std::size_t>(end_ - p_);
  if (std::string_view(p_, left).substr(0, word.size()) != word) return false;
  p_ += word.size();
  return true;
}

JsonError Scanner::Open(bool is_object, After& after) {
  ++p_;
  if (depth_ >= kMaxDepth) return JsonError::kDepth;
  ++depth_;
  is_object_[static_cast<std::size_t>(depth_)] = is_object;
  SkipSpace();
  if (Take(is_object ? '}' : ']')) {
    --depth_;
    after = After::kValueEnded;
    return JsonError::kNone;
  }
  after = After::kValueBegins;
  std::string_view key;
  return is_object ? Key(key) : JsonError::kNone;
}

JsonError Scanner::Begin(After& after) {
  if (p_ == end_) return JsonError::kSyntax;
  after = After::kValueEnded;
  bool good = false;
  switch (*p_) {
    case '{': return Open(true, after);
    case '[': return Open(false, after);
    case '"': return String();
    case 't': good = Literal("true"); break;
    case 'f': good = Literal("false"); break;
    case 'n': good = Literal("null"); break;
    default: good = Number(); break;
  }
  return good ? JsonError::kNone : JsonError::kSyntax;
}

JsonError Scanner::Continue(int outer, After& after) {
  while (depth_ > outer) {
    const bool is_object = is_object_[static_cast<std::size_t>(depth_)];
    SkipSpace();
    if (Take(',')) {
      SkipSpace();
      after = After::kValueBegins;
      std::string_view key;
      return is_object ? Key(key) : JsonError::kNone;
    }
    if (!Take(is_object ? '}' : ']')) return JsonError::kSyntax;
    --depth_;
  }
  return JsonError::kNone;
}

JsonError Scanner::Value() {
  const int outer = depth_;
  After after = After::kValueBegins;
  for (;;) {
    JsonError error = Begin(after);
    if (error == JsonError::kNone && after == After::kValueEnded) error = Continue(outer, after);
    if (error != JsonError::kNone || after == After::kValueEnded) return error;
  }
}

}  // namespace workman::protocol
