// ${VAR} in values, and what is wrong with a tree whatever its keys mean: a key given twice.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/profile/load.h"
#include "daemon/profile/problems.h"
#include "daemon/profile/yaml_text.h"

namespace workmand {

/// Replaces ${VAR} and ${VAR:-default}; `$$` is a dollar sign, any other `$` stands for itself.
[[nodiscard]] Result<std::string> ExpandVariables(
    std::string_view text, const std::map<std::string, std::string>& environment);

/// Expands every value below `root`, and drops and reports keys that are given twice. Values with
/// an error are marked as broken. Without `options.resolve_command`, an unset variable is no error
/// in what concerns workers only: a producer has another environment than the daemon.
void PrepareTree(YamlNode& root, const LoadOptions& options, Problems& problems);

}  // namespace workmand
