#include "protocol/json_chars.h"

namespace workman::protocol {
namespace {

constexpr char32_t kHighFirst = 0xD800;
constexpr char32_t kLowFirst = 0xDC00;
constexpr char32_t kLowLast = 0xDFFF;

unsigned char Byte(char c) {
  return static_cast<unsigned char>(c);
}

bool IsContinuation(char c) {
  return (Byte(c) & 0xC0U) == 0x80U;
}

/// The four hex digits of an escape; they were validated before. What is cut off all the same ends.
char32_t TakeHex4(std::string_view& rest) {
  if (rest.size() < 4) {
    rest = {};
    return kReplacement;
  }
  char32_t code = 0;
  for (const char c : rest.substr(0, 4)) {
    const unsigned digit = c <= '9' ? Byte(c) - '0' : (Byte(c) | 0x20U) - 'a' + 10U;
    code = (code << 4U) | digit;
  }
  rest.remove_prefix(4);
  return code;
}

char32_t TakeEscape(std::string_view& rest) {
  if (rest.empty()) return kReplacement;
  const char kind = rest.front();
  rest.remove_prefix(1);
  switch (kind) {
    case 'n': return U'\n';
    case 't': return U'\t';
    case 'r': return U'\r';
    case 'b': return U'\b';
    case 'f': return U'\f';
    case 'u': break;
    default: return Byte(kind);
  }
  const char32_t code = TakeHex4(rest);
  if (code < kHighFirst || code >= kLowFirst) return code;
  if (rest.size() < 6 || rest[0] != '\\' || rest[1] != 'u') return code;
  std::string_view second = rest.substr(2);
  const char32_t low = TakeHex4(second);
  if (low < kLowFirst || low > kLowLast) return code;
  rest = second;
  return 0x10000U + ((code - kHighFirst) << 10U) + (low - kLowFirst);
}

}  // namespace

std::size_t Utf8Length(std::string_view text) {
  const unsigned char lead = Byte(text[0]);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  // The second byte is narrower than a continuation after four lead bytes: this is what excludes
  // overlong forms, surrogates and values above U+10FFFF.
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) second_min = 0xA0;
    if (lead == 0xED) second_max = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) second_min = 0x90;
    if (lead == 0xF4) second_max = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  if (Byte(text[1]) < second_min || Byte(text[1]) > second_max) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return length;
}

void AppendUtf8(std::string& out, char32_t code) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

char32_t TakeChar(std::string_view& rest) {
  const unsigned char lead = Byte(rest.front());
  if (lead == '\\') {
    rest.remove_prefix(1);
    return TakeEscape(rest);
  }
  const std::size_t length = Utf8Length(rest);
  if (length == 0) {
    rest.remove_prefix(1);
    return kReplacement;
  }
  // The lead byte of an n-byte sequence carries 7 - n bits of the value.
  char32_t code = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) code = (code << 6U) | (Byte(rest[i]) & 0x3FU);
  rest.remove_prefix(length);
  return code;
}

bool SameText(std::string_view escaped_a, std::string_view escaped_b) {
  if (!HasEscape(escaped_a) && !HasEscape(escaped_b)) return escaped_a == escaped_b;
  while (!escaped_a.empty() && !escaped_b.empty()) {
    if (TakeChar(escaped_a) != TakeChar(escaped_b)) return false;
  }
  return escaped_a.empty() && escaped_b.empty();
}

}  // namespace workman::protocol
