// The second half of loading: what a profile says once its text is understood. Fills in the
// defaults that depend on the machine, makes paths absolute, checks keys against each other, and
// asks the system whether what the profile names is there.
#pragma once

#include <string>

#include "daemon/profile/field.h"
#include "daemon/profile/load.h"

namespace workmand {

/// Needs `path` and `directory` of the draft's profile.
void ResolveDefaults(Draft& draft, const LoadOptions& options, Problems& problems);
/// Keys that contradict each other.
void CheckTogether(const Draft& draft, Problems& problems);
/// Reads env_file and looks for the command, the folder and the user of the workers.
void ResolveWorkers(Draft& draft, const LoadOptions& options, Problems& problems);

/// A whole file, or why it cannot be read.
[[nodiscard]] Result<std::string> ReadWholeFile(const std::string& path);

}  // namespace workmand
