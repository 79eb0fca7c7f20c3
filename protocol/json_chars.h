// Characters inside JSON text: UTF-8 sequences and escapes. Shared by the slicer, which validates,
// and by the readers of single values; nobody outside this room includes it. No allocation.
#pragma once

#include <cstddef>
#include <cstdint>
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

inline bool HasEscape(std::string_view escaped) {
  return escaped.find('\\') != std::string_view::npos;
}

}  // namespace workman::protocol
