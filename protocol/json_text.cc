#include "protocol/json_text.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>

#include "protocol/json_chars.h"
#include "protocol/json_slicer.h"

namespace workman::protocol {
namespace {

constexpr std::int64_t kMaxInt = (std::int64_t{1} << 53U) - 1;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNotBase64 = 0xFF;

constexpr std::array<std::uint8_t, 256> MakeReverseAlphabet() {
  std::array<std::uint8_t, 256> values{};
  for (std::uint8_t& value : values) value = kNotBase64;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kReverseAlphabet = MakeReverseAlphabet();

unsigned Byte(char c) {
  return static_cast<unsigned char>(c);
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

/// Appends what stands for one byte or sequence that cannot stand raw in a JSON string.
void AppendEscaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    default: break;
  }
  out += "\\u00";
  out += kHex[Byte(c) >> 4U];
  out += kHex[Byte(c) & 0xFU];
}

/// The inside of a JSON string as text, lone surrogates as U+FFFD.
std::string Unescape(std::string_view escaped) {
  std::string text;
  text.reserve(escaped.size());
  while (!escaped.empty()) {
    const char32_t code = TakeChar(escaped);
    const bool lone_surrogate = code >= 0xD800 && code <= 0xDFFF;
    AppendUtf8(text, lone_surrogate ? kReplacement : code);
  }
  return text;
}

std::size_t PaddingOf(std::string_view text) {
  if (text.size() < 4 || text.back() != '=') return 0;
  return text[text.size() - 2] == '=' ? 2 : 1;
}

/// `text` without escapes. The bits that the padding leaves over must be zero: there is one
/// spelling of each byte sequence.
bool IsPlainBase64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const std::size_t padding = PaddingOf(text);
  std::uint8_t last = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    last = kReverseAlphabet[Byte(c)];
    if (last == kNotBase64) return false;
  }
  if (padding == 1) return (last & 0x3U) == 0;
  if (padding == 2) return (last & 0xFU) == 0;
  return true;
}

}  // namespace

void AppendString(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t run = 0;  // bytes at the front of `text` that can be copied as they are
  for (;;) {
    run += PlainLength(text.substr(run));
    if (run == text.size()) break;
    const unsigned byte = Byte(text[run]);
    const std::size_t sequence = byte < 0x80 ? 0 : Utf8Length(text.substr(run));
    if (sequence != 0) {
      run += sequence;
      continue;
    }
    out.append(text.substr(0, run));
    if (byte < 0x80) {
      AppendEscaped(out, text[run]);
    } else {
      AppendUtf8(out, kReplacement);
    }
    text.remove_prefix(run + 1);
    run = 0;
  }
  out.append(text);
  out.push_back('"');
}

std::optional<std::string> ReadString(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"' || raw.back() != '"' || !IsJson(raw)) {
    return std::nullopt;
  }
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  if (!HasEscape(inside)) return std::string(inside);
  return Unescape(inside);
}

std::optional<std::int64_t> ReadInt(std::string_view raw) {
  const std::string_view digits = raw.substr(!raw.empty() && raw.front() == '-' ? 1 : 0);
  if (digits.empty() || (digits.front() == '0' && digits.size() > 1)) return std::nullopt;
  std::int64_t value = 0;
  const char* end = raw.data() + raw.size();
  const auto [stop, error] = std::from_chars(raw.data(), end, value);
  if (error != std::errc{} || stop != end || value > kMaxInt || value < -kMaxInt) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> ReadNumber(std::string_view raw) {
  if (raw.empty() || (raw.front() != '-' && !IsDigit(raw.front())) || !IsJson(raw)) {
    return std::nullopt;
  }
  double value = 0;
  const char* end = raw.data() + raw.size();
  const auto [stop, error] = std::from_chars(raw.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::optional<bool> ReadBool(std::string_view raw) {
  if (raw == "true") return true;
  if (raw == "false") return false;
  return std::nullopt;
}

void AppendBase64(std::string& out, std::string_view bytes) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  const auto put = [&out](unsigned bits) { out.push_back(kAlphabet[bits & 0x3FU]); };
  for (; bytes.size() >= 3; bytes.remove_prefix(3)) {
    const unsigned bits = Byte(bytes[0]) << 16U | Byte(bytes[1]) << 8U | Byte(bytes[2]);
    put(bits >> 18U);
    put(bits >> 12U);
    put(bits >> 6U);
    put(bits);
  }
  if (bytes.size() == 1) {
    put(Byte(bytes[0]) >> 2U);
    put(Byte(bytes[0]) << 4U);
    out += "==";
  } else if (bytes.size() == 2) {
    const unsigned bits = Byte(bytes[0]) << 8U | Byte(bytes[1]);
    put(bits >> 10U);
    put(bits >> 4U);
    put(bits << 2U);
    out += "=";
  }
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  if (!IsPlainBase64(text)) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  unsigned bits = 0;
  unsigned held = 0;  // how many low bits of `bits` are not written yet
  for (const char c : text.substr(0, text.size() - PaddingOf(text))) {
    bits = (bits << 6U | kReverseAlphabet[Byte(c)]) & 0xFFFU;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>((bits >> held) & 0xFFU));
  }
  return bytes;
}

std::optional<std::string> DecodeBase64Inside(std::string_view inside) {
  return HasEscape(inside) ? DecodeBase64(Unescape(inside)) : DecodeBase64(inside);
}

bool IsBase64Inside(std::string_view inside) {
  return HasEscape(inside) ? IsPlainBase64(Unescape(inside)) : IsPlainBase64(inside);
}

std::string_view OnOneLine(std::string_view json, std::string& scratch) {
  const auto has = [json](char c) { return json.find(c) != std::string_view::npos; };
  if (!has('\n') && !has('\r') && !has('\t')) return json;
  scratch.clear();
  scratch.reserve(json.size());
  for (const char c : json) {
    if (c != '\n' && c != '\r' && c != '\t') scratch.push_back(c);
  }
  return scratch;
}

}  // namespace workman::protocol
