// Reading and writing single JSON values as text: strings, small integers, base64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace workman::protocol {

/// Appends `text` as a JSON string with quotes. Bytes that are not UTF-8 become U+FFFD.
void AppendString(std::string& out, std::string_view text);

/// The characters of a JSON string slice (quotes included), escapes resolved; a lone surrogate
/// becomes U+FFFD. Nothing when the slice is not a string.
std::optional<std::string> ReadString(std::string_view raw);
/// An integer within +-(2^53-1); "3.0" and "1e3" are not integers.
std::optional<std::int64_t> ReadInt(std::string_view raw);
std::optional<double> ReadNumber(std::string_view raw);
std::optional<bool> ReadBool(std::string_view raw);

/// RFC 4648 section 4: standard alphabet, padding, no line breaks.
void AppendBase64(std::string& out, std::string_view bytes);
/// Any text; nothing when it is not base64 as above.
std::optional<std::string> DecodeBase64(std::string_view text);
/// `inside` is the inside of a valid JSON string: some encoders write `/` as `\/` and `=` as
/// `\u003d`, so escapes are resolved first.
std::optional<std::string> DecodeBase64Inside(std::string_view inside);
/// Whether DecodeBase64Inside would succeed; allocates only when there are escapes.
bool IsBase64Inside(std::string_view inside);

/// Removes the line feeds, carriage returns and tabs between the tokens of valid JSON, so that it
/// fits on a line (inside strings they cannot occur raw). Returns `json` itself when there is
/// nothing to remove, else `scratch`, which then holds the result; `json` must not lie in it.
std::string_view OnOneLine(std::string_view json, std::string& scratch);

}  // namespace workman::protocol
