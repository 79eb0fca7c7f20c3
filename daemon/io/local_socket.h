// A Unix stream socket that serves lines: one request line in, one reply line out, any number of
// either, in order of the replies. Mode 0600. Driven by the loop; it knows nothing of verbs.
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
  /// A connection with more than this waiting to be read by its client is closed.
  static constexpr std::size_t kMaxPending = std::size_t{8} * 1024 * 1024;

  /// All calls come from the loop, never from within a call to the server; the receiver may destroy
  /// the server in any of them.
  struct Events {
    /// A line without its LF; valid during the call.
    std::function<void(ConnectionId, std::string_view)> on_line;
    /// Once per connection, whoever ended it; not when the server is destroyed. A client that only
    /// ends its sending side keeps its connection until each of its lines has had one reply.
    std::function<void(ConnectionId)> on_closed;
  };

  /// Binds, locks and listens. The lock is a file beside the socket (PATH.lock, flock): a second
  /// daemon gets kRefused "already running (pid N)"; a socket left by a dead one is replaced.
  /// Missing folders are made with mode 0700. A folder named workman-UID, as it stands in /tmp, is
  /// refused unless it is this user's and closed to others. A line over `max_line` closes its
  /// connection.
  [[nodiscard]] static Result<std::unique_ptr<LineServer>> Listen(Loop& loop,
                                                                  const std::string& path,
                                                                  std::size_t max_line,
                                                                  Events events);
  /// Stops listening, closes every connection, removes the socket.
  ~LineServer();
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  /// Writes `line` and LF. False when the connection is gone, or is closed for want of a reader.
  bool Send(ConnectionId connection, std::string_view line);
  /// Closes after what was sent has been written.
  void Close(ConnectionId connection);

 private:
  struct Impl;
  explicit LineServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  ///< shared with the event being delivered
};

}  // namespace workmand::io
