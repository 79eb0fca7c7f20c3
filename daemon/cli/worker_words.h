// The arguments of the two commands that play the daemon for one worker. Driven by RunCommandLine.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include "daemon/cli/console.h"

namespace workmand::cli {

/// Add `test-worker` and `run` to `app`. The one that is chosen leaves itself in `chosen`, which
/// must outlive the app.
void AddTestWorker(CLI::App& app, std::function<ExitCode()>& chosen);
void AddRun(CLI::App& app, std::function<ExitCode()>& chosen);

}  // namespace workmand::cli
