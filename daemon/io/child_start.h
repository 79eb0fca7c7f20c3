// The start of one child: pipes, the launcher's command line, uv_spawn. Driven by Child::Spawn.
#pragma once

#include <string>
#include <vector>

#include <uv.h>

#include "daemon/base/result.h"
#include "daemon/io/child.h"
#include "daemon/io/unique_fd.h"

namespace workmand::io {

/// Our ends of a started child's pipes.
struct StartedChild {
  UniqueFd in;
  UniqueFd out;
  UniqueFd err;            ///< kPipe only
  UniqueFd side;           ///< ChildSpec::side_pipe only
  UniqueFd launch_report;  ///< at its end once the command runs; else the launcher's complaint
};

/// The command line that makes the launcher start `spec` for the process `parent`, with
/// `report_fd` for its complaints.
[[nodiscard]] std::vector<std::string> LauncherCommand(const ChildSpec& spec, pid_t parent,
                                                       int report_fd);

/// Starts the launcher in a session of its own. On error `process` is fit for closing only.
[[nodiscard]] Result<StartedChild> StartChild(Loop& loop, uv_process_t* process,
                                              const ChildSpec& spec, uv_exit_cb on_exit);

/// What the launcher of an ended child wrote; empty when the command was executed.
[[nodiscard]] std::string ReadLaunchReport(int fd);

}  // namespace workmand::io
