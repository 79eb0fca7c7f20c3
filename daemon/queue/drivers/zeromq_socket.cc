#include "daemon/queue/drivers/zeromq_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <zmq.h>

namespace workmand::zeromq {
namespace {

constexpr const char* kEventsAddress = "inproc://connections";
/// Seconds.
constexpr int kSilence = 60;
/// Milliseconds.
constexpr int kHeartbeat = 5'000;
constexpr int kHeartbeatTimeout = 15'000;
constexpr int kHandshakeFailed = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr std::string_view kIpc = "ipc://";

[[noreturn]] void ThrowLost(const std::string& what) {
  throw ConnectionLost(what + ": " + zmq_strerror(zmq_errno()));
}

/// libzmq takes the place of a socket file without asking whether somebody listens on it: the first
/// daemon would go on and never get a job again.
bool SomebodyListens(std::string_view endpoint) {
  if (!endpoint.starts_with(kIpc)) return false;
  const std::string_view path = endpoint.substr(kIpc.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // "@" stands for an abstract name; libzmq's bind finds out about these by itself.
  if (path.starts_with('@') || path.size() >= sizeof address.sun_path) return false;
  std::copy(path.begin(), path.end(), &address.sun_path[0]);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the interface of connect(2)
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  const bool listens = connect(fd, raw, sizeof address) == 0;
  close(fd);
  return listens;
}

int Milliseconds(Duration length) {
  constexpr Duration kMost{std::numeric_limits<int>::max()};
  return static_cast<int>(std::min(length, kMost).count());
}

int Descriptor(void* socket) {
  if (socket == nullptr) return -1;
  int fd = -1;
  std::size_t size = sizeof fd;
  (void)zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
  return fd;
}

class Message {
 public:
  Message() { zmq_msg_init(&message_); }
  ~Message() { zmq_msg_close(&message_); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  zmq_msg_t* get() { return &message_; }
  std::string_view bytes() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }

 private:
  zmq_msg_t message_;
};

}  // namespace

Socket::~Socket() {
  (void)Close(Duration{0});
}

void Socket::Set(int option, int value) {
  if (zmq_setsockopt(socket_, option, &value, sizeof value) != 0) ThrowLost("zmq_setsockopt");
}

void Socket::Open(const SocketOptions& options) {
  (void)Close(Duration{0});
  context_ = zmq_ctx_new();
  if (context_ == nullptr) ThrowLost("zmq_ctx_new");
  socket_ = zmq_socket(context_, options.type);
  if (socket_ == nullptr) ThrowLost("zmq_socket");
  const std::int64_t most = kMaxFrame;
  (void)zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &most, sizeof most);
  Set(ZMQ_RCVHWM, options.receive_high_water);
  Set(ZMQ_SNDHWM, options.send_high_water);
  Set(ZMQ_IPV6, 1);
  // A machine that is gone without a word is found out by the kernel.
  Set(ZMQ_TCP_KEEPALIVE, 1);
  Set(ZMQ_TCP_KEEPALIVE_IDLE, kSilence);
  Set(ZMQ_TCP_KEEPALIVE_INTVL, kSilence / 6);
  Set(ZMQ_TCP_KEEPALIVE_CNT, 3);
  Set(ZMQ_LINGER, 0);
  // An answer to a caller that has gone is then told apart from one that was sent.
  if (options.type == ZMQ_ROUTER) Set(ZMQ_ROUTER_MANDATORY, 1);
  try {
    Attach(options);
  } catch (const ConnectionLost&) {
    (void)Close(Duration{0});
    throw;
  }
}

void Socket::Attach(const SocketOptions& options) {
  if (options.watch_peers) {
    // Somebody may wait for an answer. Not on other sockets: an old peer may not know of it.
    Set(ZMQ_HEARTBEAT_IVL, kHeartbeat);
    Set(ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeout);
    if (zmq_socket_monitor(
            socket_, kEventsAddress,
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | kHandshakeFailed | ZMQ_EVENT_DISCONNECTED) != 0) {
      ThrowLost("zmq_socket_monitor");
    }
    events_ = zmq_socket(context_, ZMQ_PAIR);
    if (events_ == nullptr || zmq_connect(events_, kEventsAddress) != 0) ThrowLost("zmq_connect");
    const int none = 0;
    (void)zmq_setsockopt(events_, ZMQ_LINGER, &none, sizeof none);
  }
  const char* const endpoint = options.endpoint.c_str();
  if (!options.bind) {
    if (zmq_connect(socket_, endpoint) != 0) ThrowLost("cannot connect to " + options.endpoint);
    return;
  }
  if (SomebodyListens(options.endpoint)) {
    throw ConnectionLost("cannot bind " + options.endpoint + ": another program listens there");
  }
  if (zmq_bind(socket_, endpoint) != 0) ThrowLost("cannot bind " + options.endpoint);
}

bool Socket::Close(Duration linger) noexcept {
  if (context_ == nullptr) return true;
  const TimePoint start = Clock::now();
  if (events_ != nullptr) {
    (void)zmq_socket_monitor(socket_, nullptr, 0);
    (void)zmq_close(events_);
    events_ = nullptr;
  }
  if (socket_ != nullptr) {
    const int ms = Milliseconds(linger);
    (void)zmq_setsockopt(socket_, ZMQ_LINGER, &ms, sizeof ms);
    (void)zmq_close(socket_);
    socket_ = nullptr;
  }
  while (zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
  }
  context_ = nullptr;
  peers_ = 0;
  failed_ = false;
  disconnected_ = false;
  return linger == Duration{0} || Clock::now() - start < linger;
}

bool Socket::Receive(Frames& frames) {
  frames.clear();
  Message part;
  for (;;) {
    if (zmq_msg_recv(part.get(), socket_, ZMQ_DONTWAIT) < 0) {
      if (zmq_errno() == EINTR) continue;
      if (zmq_errno() != EAGAIN) ThrowLost("zmq_msg_recv");
      return false;
    }
    frames.emplace_back(part.bytes());
    if (zmq_msg_more(part.get()) == 0) return true;
  }
}

Sent Socket::Send(const Frames& frames) {
  for (std::size_t i = 0; i < frames.size();) {
    const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket_, frames[i].data(), frames[i].size(), ZMQ_DONTWAIT | more) >= 0) {
      ++i;
      continue;
    }
    if (zmq_errno() == EINTR) continue;
    if (zmq_errno() == EHOSTUNREACH) return Sent::kNobody;
    if (zmq_errno() != EAGAIN) ThrowLost("zmq_send");
    // The connection ended between two frames of this message: libzmq swallows all frames up to the
    // last, which would be those of the next message.
    for (; i > 0 && i + 1 < frames.size(); ++i) {
      const int last = i + 2 < frames.size() ? ZMQ_SNDMORE : 0;
      (void)zmq_send(socket_, frames[i + 1].data(), frames[i + 1].size(), ZMQ_DONTWAIT | last);
    }
    return Sent::kFull;
  }
  return Sent::kYes;
}

void Socket::Poll(Duration timeout, int waker) {
  std::array<pollfd, 3> fds{
      {{Descriptor(socket_), POLLIN, 0}, {Descriptor(events_), POLLIN, 0}, {waker, POLLIN, 0}}};
  // An interrupted wait is a short one: every caller looks and waits again.
  (void)poll(fds.data(), fds.size(), Milliseconds(timeout));
}

bool Socket::HasState(int flag) {
  std::uint32_t state = 0;
  std::size_t size = sizeof state;
  if (zmq_getsockopt(socket_, ZMQ_EVENTS, &state, &size) != 0) ThrowLost("zmq_getsockopt");
  return (state & static_cast<std::uint32_t>(flag)) != 0;
}

void Socket::WaitForMessage(Duration timeout, const Waker& waker) {
  // Both take what has happened so far out of the sockets, so that their descriptors tell of more.
  ReadEvents();
  if (!disconnected_ && !HasState(ZMQ_POLLIN)) Poll(timeout, waker.fd());
}

void Socket::WaitForRoom(Duration timeout) {
  // Both are asked, so that both descriptors tell of what comes after.
  const bool room = HasState(ZMQ_POLLOUT);
  if (peers() == 0 || !room) Poll(timeout, -1);
}

void Socket::ReadEvents() {
  if (events_ == nullptr) return;
  for (;;) {
    // Two frames: the number of the event, in the machine's order, and a value; and the address. No
    // event of a handshake tells whose it was, so they are counted. A connection that never got
    // through one ends too, right behind the event of its failure.
    Message event;
    if (zmq_msg_recv(event.get(), events_, ZMQ_DONTWAIT) < 0) return;
    Message address;
    (void)zmq_msg_recv(address.get(), events_, ZMQ_DONTWAIT);
    std::uint16_t what = 0;
    if (event.bytes().size() < sizeof what) continue;
    std::memcpy(&what, event.bytes().data(), sizeof what);
    const bool failed = std::exchange(failed_, (what & kHandshakeFailed) != 0);
    if (what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) ++peers_;
    if (what == ZMQ_EVENT_DISCONNECTED && !failed && peers_ > 0) {
      --peers_;
      disconnected_ = true;
    }
  }
}

std::size_t Socket::peers() {
  ReadEvents();
  return peers_;
}

bool Socket::TakeDisconnect() {
  ReadEvents();
  return std::exchange(disconnected_, false);
}

}  // namespace workmand::zeromq
