// `workman test-queue`: the contract of a driver (daemon/queue/conformance.h), tried on the
// profile's own queue.
#pragma once

#include <string>
#include <vector>

#include "daemon/cli/console.h"

namespace workmand::cli {

/// Runs the cases that `only` chooses (a number, or a part of a name; empty = all) and prints the
/// table. Every task it touches has a random prefix, so that no job of others is taken. Its own
/// jobs can stay behind when a case fails.
[[nodiscard]] ExitCode RunTestQueue(const std::string& profile, const std::string& only);

/// What the command starts for the cases that kill a process (RunConformanceHelper). `words`: what
/// it added to the profile's prefix, and the suite's own.
[[nodiscard]] ExitCode RunTestQueueHelper(const std::string& profile,
                                          const std::vector<std::string>& words);

}  // namespace workmand::cli
