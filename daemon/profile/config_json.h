// `config:` of a profile as one line of JSON, the way it is handed to workers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/profile/field.h"

namespace workmand {

/// Bare true, false, null and JSON numbers stay what they are, with all their digits; everything
/// else, and all that is quoted, is a string. Complains and returns nothing when a value is broken
/// or not UTF-8.
std::optional<std::string> ToJson(const Field& field);

/// Replaces what stands between the quotes of every string that is a value; keys stay. `json` is
/// compact, as ToJson writes it, and so is the escaped text that `replace` gets and gives.
std::string ReplaceJsonStrings(std::string_view json,
                               const std::function<std::string(std::string_view)>& replace);

}  // namespace workmand
