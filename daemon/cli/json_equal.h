// Whether two JSON texts mean the same value. For the kit, which compares results.
#pragma once

#include <string_view>

namespace workmand::cli {

/// Members in any order, strings by their characters, numbers by their digits or else as doubles.
/// Both texts must be valid JSON without space around it.
[[nodiscard]] bool SameJson(std::string_view a, std::string_view b);

}  // namespace workmand::cli
