// Starts a worker's process on real pipes, in a session of its own, without a daemon and without an
// event loop. What `workman run` and `workman test-worker` share; WorkerTalk drives it.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/io/unique_fd.h"

namespace workmand::cli {

/// Where the new process finds the protocol.
enum class Channel {
  kStdio,        ///< descriptors 0 and 1
  kDescriptors,  ///< descriptors 3 and 4; 0 is /dev/null, 1 goes where 2 goes
};

enum class StderrTo {
  kPipe,
  kBrokenPipe,  ///< nobody has its reading end: a write gives EPIPE
  kInherit,
};

struct WorkerStart {
  std::vector<std::string> argv;  ///< argv[0] is looked up in the PATH of `env`
  std::vector<std::string> env;   ///< "KEY=value", the whole environment
  Channel channel = Channel::kStdio;
  StderrTo stderr_to = StderrTo::kPipe;
  /// `argv` is the command line of workmand-launch, which reports a failure on kReportFd.
  bool by_launcher = false;
  std::string name;  ///< of the command, for messages; empty = argv[0]
  /// Stdin in place of the pipe, with kStdio; borrowed. -1 = the pipe.
  int own_stdin = -1;

  static constexpr int kReportFd = 3;
};

/// Our ends of a started worker. The pipes do not block.
struct StartedWorker {
  pid_t pid = -1;
  io::UniqueFd in;  ///< not open with own_stdin
  io::UniqueFd out;
  io::UniqueFd err;  ///< kPipe only
};

/// Returns once the command was executed; the error says why it could not be. The worker dies with
/// the calling thread. Call it from a process with one thread.
[[nodiscard]] Result<StartedWorker> StartWorker(const WorkerStart& start);

}  // namespace workmand::cli
