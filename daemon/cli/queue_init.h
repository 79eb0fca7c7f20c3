// `workman queue init`: makes what a profile's queue needs on its server, where it needs something.
#pragma once

#include <string>

#include "daemon/cli/console.h"

namespace workmand::cli {

/// Connects as a producer does; a driver with tables of its own makes them then. Harmless when all
/// is there, and for queues that need nothing. Says what it did.
[[nodiscard]] ExitCode RunQueueInit(const std::string& profile);

}  // namespace workmand::cli
