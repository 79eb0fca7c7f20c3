// The way to a running daemon: finds its control socket, checks whose it is, and speaks lines over
// it. Blocking; one thread. Knows nothing of verbs (daemon/admin/client.h does).
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/cli/interrupt.h"
#include "daemon/io/unique_fd.h"
#include "daemon/profile/profile.h"

namespace workmand::cli {

class ClientSocket {
 public:
  enum class Heard { kLine, kClosed, kTimeout, kInterrupted };

  /// Connects to the first of `paths` that is a socket of ours (or of root) and answers. The error
  /// names every path with what was wrong with it.
  [[nodiscard]] static Result<ClientSocket> Connect(const std::vector<std::string>& paths);

  /// The error says that the daemon has gone.
  [[nodiscard]] Result<void> Send(std::string_view line);
  /// Waits for the next line (without its LF) until `deadline`, or until `interrupt` (may be null)
  /// is readable.
  [[nodiscard]] Heard Read(std::string& line, TimePoint deadline, const Interrupt* interrupt);
  /// The daemon's process as seen from here; 0 when it cannot be seen (another pid namespace).
  [[nodiscard]] pid_t peer() const { return peer_; }

 private:
  ClientSocket(io::UniqueFd fd, pid_t peer) : fd_(std::move(fd)), peer_(peer) {}

  io::UniqueFd fd_;
  pid_t peer_ = 0;
  std::string received_;
  std::size_t searched_ = 0;  ///< how far `received_` is known to hold no LF
};

/// Where the daemon of this profile may listen, best first.
std::vector<std::string> SocketPaths(const Profile& profile);

}  // namespace workmand::cli
