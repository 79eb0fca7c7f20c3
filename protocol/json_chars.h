// Characters inside JSON text: UTF-8 sequences and escapes. Shared by the slicer, which validates,
// and by the readers of single values; nobody outside this room includes it. No allocation.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace workman::protocol {

/// Stands for what is no character.
inline constexpr char32_t kReplacement = 0xFFFD;

/// The length of the valid UTF-8 sequence that begins at `text[0]`: 1 to 4, or 0 when there is none
/// (overlong forms, surrogates and values above U+10FFFF are not valid). `text` is not empty.
std::size_t Utf8Length(std::string_view text);

void AppendUtf8(std::string& out, char32_t code);

/// Takes one character off the inside of a valid JSON string, escapes resolved. A surrogate pair is
/// one character; a lone surrogate is returned as it is. `rest` is not empty.
char32_t TakeChar(std::string_view& rest);

/// True when the insides of two valid JSON strings mean the same text.
bool SameText(std::string_view escaped_a, std::string_view escaped_b);

/// By byte: whether it stands for itself in a JSON string and is ASCII.
inline constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x80; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

/// How many bytes at the front of `text` stand for themselves in a JSON string: ASCII, and neither
/// a control character, nor a quote, nor a backslash.
inline std::size_t PlainLength(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighs = 0x8080808080808080U;
  std::size_t at = 0;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(' ');
  for (; text.size() - at >= sizeof(__m128i); at += sizeof(__m128i)) {
    __m128i bytes;
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    // The comparison is signed: less than a space are control characters and all beyond ASCII.
    const __m128i special =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                     _mm_cmplt_epi8(bytes, space));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
    if (mask != 0) return at + static_cast<std::size_t>(std::countr_zero(mask));
  }
#endif
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
  while (at < text.size() && kPlain[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

inline bool HasEscape(std::string_view escaped) {
  return escaped.find('\\') != std::string_view::npos;
}

}  // namespace workman::protocol
