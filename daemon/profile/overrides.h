// `--set key.path=value`: values from the command line, put into the tree of the file.
#pragma once

#include "daemon/profile/problems.h"
#include "daemon/profile/yaml_text.h"

namespace workmand {

/// Puts each override into `root`, in order; a later one wins. The value is YAML, and dots in a
/// part of the path are kept by quotes: tasks."a.b".limit.
void ApplyOverrides(YamlNode& root, const Problems::Overrides& overrides, Problems& problems);

}  // namespace workmand
