// The keys that say how workers are talked to: mode, and the blocks exec and lines. Driven by the
// table of keys (keys.cc) and by the loader.
#pragma once

#include <vector>

#include "daemon/profile/field.h"
#include "daemon/profile/keys.h"
#include "daemon/profile/load.h"

namespace workmand {

std::vector<Key> ModeKeys();

/// What a mode needs, and what stands in the profile of another one.
void CheckMode(const Draft& draft, Problems& problems);

/// Whether what the mode needs is on this system.
void ResolveMode(const Draft& draft, Problems& problems);

/// "exec", as in the profile.
std::string_view ToString(Mode mode);
/// "TERM", for a signal that abort_signal may be.
std::string_view SignalName(int signo);

}  // namespace workmand
