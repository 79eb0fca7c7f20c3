// Small helpers on text that several files of this room need. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace workmand {

[[nodiscard]] bool IsUtf8(std::string_view text);

/// "text" in quotes and escaped, as JSON and YAML both read it.
[[nodiscard]] std::string QuoteJson(std::string_view text);
/// A scalar for a profile: bare where that is safe, else quoted; `$` doubled.
[[nodiscard]] std::string QuoteYaml(std::string_view text);
/// The same for a key, in which `$` is nothing special.
[[nodiscard]] std::string QuoteYamlKey(std::string_view text);
/// Every `$` doubled, so that the loader reads one.
[[nodiscard]] std::string DoubleDollars(std::string_view text);

/// The known name that `name` was probably meant to be; empty when none is near.
[[nodiscard]] std::string NearestName(std::string_view name, const std::vector<std::string>& known);

/// ": No such file or directory" for ENOENT; empty for 0.
[[nodiscard]] std::string SystemReason(int error_number);

}  // namespace workmand
