// The commands that ask the running daemon: status, workers, pause, resume, reload, stop, scale.
#pragma once

#include <string>

#include "daemon/cli/console.h"

namespace workmand::cli {

/// `profile` is the path that -p names, everywhere.
[[nodiscard]] ExitCode RunStatus(const std::string& profile, bool as_json);
[[nodiscard]] ExitCode RunWorkers(const std::string& profile);
[[nodiscard]] ExitCode RunPause(const std::string& profile);
[[nodiscard]] ExitCode RunResume(const std::string& profile);
/// Waits for the outcome; what the daemon tells meanwhile goes to stderr.
[[nodiscard]] ExitCode RunReload(const std::string& profile);
/// Waits until the daemon has gone.
[[nodiscard]] ExitCode RunStop(const std::string& profile);
[[nodiscard]] ExitCode RunScale(const std::string& profile, int workers);

}  // namespace workmand::cli
