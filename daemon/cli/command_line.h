// The words of the command line: which commands there are, what they take, and what --help says.
#pragma once

#include "daemon/cli/console.h"

namespace workmand::cli {

/// Reads the arguments, runs the command they name and returns what to exit with.
[[nodiscard]] ExitCode RunCommandLine(int argc, const char* const* argv);

}  // namespace workmand::cli
