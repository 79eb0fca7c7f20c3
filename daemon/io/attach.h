// A Unix stream socket to which processes connect that another one has forked for us: the first
// line of each says who it is, and its connection is handed over. Driven by the loop; it knows
// nothing of tokens, templates or workers.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>

#include "daemon/base/result.h"
#include "daemon/io/loop.h"
#include "daemon/io/unique_fd.h"

namespace workmand::io {

class AttachServer {
 public:
  /// The longest first line, its LF included. A longer one closes its connection.
  static constexpr std::size_t kMaxLine = 1024;
  /// How long a connection may take over its first line.
  static constexpr Duration kPatience{5'000};
  /// Connections without a first line. One more is closed at once.
  static constexpr std::size_t kMostPending = 1024;

  struct Peer {
    UniqueFd socket;   ///< non-blocking; nothing after the first line was read from it
    pid_t pid = 0;     ///< as the kernel tells it (SO_PEERCRED), in our PID namespace
    std::string line;  ///< without its LF
  };
  /// Comes from the loop, and must not destroy the server.
  using OnPeer = std::function<void(Peer)>;

  /// Listens at `path`; what a dead server left there is replaced, so the path must be ours by some
  /// lock. `for_all`: every local user may connect, for workers of another user than ours.
  /// Errors: kSystem, with the path.
  [[nodiscard]] static Result<std::unique_ptr<AttachServer>> Listen(Loop& loop, std::string path,
                                                                    bool for_all, OnPeer on_peer);
  /// Closes what was not handed over, removes the socket.
  ~AttachServer();
  AttachServer(const AttachServer&) = delete;
  AttachServer& operator=(const AttachServer&) = delete;

  [[nodiscard]] const std::string& path() const;

 private:
  struct Impl;
  explicit AttachServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace workmand::io
