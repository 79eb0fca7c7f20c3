// The little of libzmq that the driver needs: one socket with a context of its own, messages as
// frames, and who is connected. A context for each session, because a socket is really closed (its
// address free, its last messages sent or given up) only when its context has ended.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

namespace workmand::zeromq {

/// A message larger than this ends the connection that it came from.
inline constexpr std::size_t kMaxFrame = std::size_t{64} << 20U;

using Frames = std::vector<std::string>;

/// What a socket is opened with.
struct SocketOptions {
  int type = 0;                ///< ZMQ_PULL and so on
  int receive_high_water = 0;  ///< messages that are taken from the network before they are wanted
  int send_high_water = 0;     ///< messages that wait for the network
  bool bind = false;
  bool watch_peers = false;  ///< for peers() and TakeDisconnect()
  std::string endpoint;
};

enum class Sent { kYes, kFull, kNobody };

class Socket {
 public:
  Socket() = default;
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Throws ConnectionLost when the endpoint cannot be bound or connected to.
  void Open(const SocketOptions& options);
  /// What is unsent has `linger` to go out. False when that was not enough.
  bool Close(Duration linger) noexcept;
  [[nodiscard]] bool open() const { return socket_ != nullptr; }

  /// The next message; false when there is none. Never waits.
  bool Receive(Frames& frames);
  /// Never waits.
  Sent Send(const Frames& frames);

  /// Waits until a message may be there, or a peer came or went, or the waker says so. Only right
  /// after Receive has found nothing: libzmq's descriptor tells of changes, not of states.
  void WaitForMessage(Duration timeout, const Waker& waker);
  /// The same for a send that was kFull.
  void WaitForRoom(Duration timeout);

  /// Connections that are up.
  [[nodiscard]] std::size_t peers();
  /// Whether a connection has ended since this was last asked.
  bool TakeDisconnect();

 private:
  void Set(int option, int value);
  void Attach(const SocketOptions& options);
  void ReadEvents();
  bool HasState(int flag);
  void Poll(Duration timeout, int waker);

  void* context_ = nullptr;
  void* socket_ = nullptr;
  void* events_ = nullptr;  ///< tells of connections
  std::size_t peers_ = 0;
  bool failed_ = false;  ///< the last event was a handshake that failed
  bool disconnected_ = false;
};

}  // namespace workmand::zeromq
