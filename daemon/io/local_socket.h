// A Unix stream socket that serves lines: one request line in, one reply line out, any number of
// either, in order of the replies. Mode 0600. Knows nothing of verbs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/io/loop.h"

namespace workmand::io {

/// Names one connection; never reused.
using ConnectionId = std::uint64_t;

class LineServer {
 public:
  struct Events {
    /// A line without its LF; valid during the call.
    std::function<void(ConnectionId, std::string_view)> on_line;
    std::function<void(ConnectionId)> on_closed;
  };

  /// Binds, locks and listens. The lock is a file beside the socket (PATH.lock, flock): a second
  /// daemon gets kRefused "already running (pid N)"; a socket left by a dead one is replaced.
  /// Missing folders are made with mode 0700. A line over `max_line` closes its connection.
  [[nodiscard]] static Result<std::unique_ptr<LineServer>> Listen(Loop& loop,
                                                                  const std::string& path,
                                                                  std::size_t max_line,
                                                                  Events events);
  /// Stops listening, closes every connection, removes the socket.
  ~LineServer();
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  /// Writes `line` and LF. False when the connection is gone (nothing happens then).
  bool Send(ConnectionId connection, std::string_view line);
  /// Closes after what was sent has been written.
  void Close(ConnectionId connection);

 private:
  struct Impl;
  explicit LineServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace workmand::io
