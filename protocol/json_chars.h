// Characters inside JSON text: UTF-8 sequences and escapes. Shared by the slicer, which validates,
// and by the readers of single values; nobody outside this room includes it. No allocation.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace workman::protocol {

/// The length of the valid UTF-8 sequence that begins at `text[0]`: 1 to 4, or 0 when there is none
/// (overlong forms, surrogates and values above U+10FFFF are not valid). `text` is not empty.
std::size_t Utf8Length(std::string_view text);

void AppendUtf8(std::string& out, char32_t code);

/// Takes one character off the inside of a valid JSON string, escapes resolved. A surrogate pair is
/// one character; a lone surrogate is returned as it is. `rest` is not empty.
char32_t TakeChar(std::string_view& rest);

/// True when the insides of two valid JSON strings mean the same text.
bool SameText(std::string_view escaped_a, std::string_view escaped_b);

/// How many bytes at the front of `text` stand for themselves in a JSON string: ASCII, and neither
/// a control character, nor a quote, nor a backslash.
inline std::size_t PlainLength(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighs = 0x8080808080808080U;
  std::size_t at = 0;
  if constexpr (std::endian::native == std::endian::little) {
    // Eight bytes at once: the high bit of each zero byte. Bytes above the lowest match may be
    // wrong, which does no harm, since only the lowest match is used.
    const auto zero_bytes = [](std::uint64_t word) { return (word - kOnes) & ~word & kHighs; };
    for (; text.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, sizeof word);
      const std::uint64_t special = zero_bytes(word ^ (kOnes * '"')) |
                                    zero_bytes(word ^ (kOnes * '\\')) |
                                    ((word - kOnes * 0x20U) & ~word & kHighs) | (word & kHighs);
      if (special != 0) return at + static_cast<std::size_t>(std::countr_zero(special)) / 8;
    }
  }
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') break;
    ++at;
  }
  return at;
}

inline bool HasEscape(std::string_view escaped) {
  return escaped.find('\\') != std::string_view::npos;
}

}  // namespace workman::protocol
