#include "daemon/io/attach.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "daemon/io/pipes.h"

namespace workmand::io {
namespace {

constexpr int kBacklog = 128;
/// How long we do not accept when there is no descriptor left.
constexpr Duration kExhaustedPause{100};

Error SystemError(const std::string& path, int error) {
  return {ErrorCode::kSystem, "cannot listen on " + path + ": " + std::strerror(error)};
}

Result<UniqueFd> BindAndListen(const std::string& path, bool for_all) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return tl::unexpected(SystemError(path, ENAMETOOLONG));
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  constexpr mode_t kOurs = 0600;
  constexpr mode_t kEverybodys = 0666;
  // Nobody can connect before it listens, so the mode is right from the first connection on.
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(path.c_str(), for_all ? kEverybodys : kOurs) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return tl::unexpected(SystemError(path, errno));
  }
  return fd;
}

pid_t PeerOf(int fd) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return 0;
  return credentials.pid;
}

}  // namespace

struct AttachServer::Impl {
  struct Connection {
    Connection(Impl& the_server, Loop& loop)
        : server(the_server), patience(loop, [this] { server.Drop(*this); }) {}
    Impl& server;
    WatchedFd watch;
    std::string line;
    Timer patience;
  };

  Impl(Loop& the_loop, std::string the_path, OnPeer the_receiver)
      : loop(the_loop),
        path(std::move(the_path)),
        on_peer(std::move(the_receiver)),
        pause(loop, [this] { listener.Watch(UV_READABLE, &Ready); }) {}

  void Accept();
  void Add(UniqueFd fd);
  void Read(Connection& connection);
  std::unique_ptr<Connection> Remove(Connection& connection);
  void Drop(Connection& connection) { Remove(connection); }
  static void Ready(uv_poll_t* handle, int status, int events) noexcept;
  static void LineReady(uv_poll_t* handle, int status, int events) noexcept;

  Loop& loop;
  std::string path;
  OnPeer on_peer;
  WatchedFd listener;
  Timer pause;
  std::vector<std::unique_ptr<Connection>> connections;
};

void AttachServer::Impl::Ready(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data != nullptr) static_cast<Impl*>(handle->data)->Accept();
}

void AttachServer::Impl::LineReady(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  auto& connection = *static_cast<Connection*>(handle->data);
  connection.server.Read(connection);
}

void AttachServer::Impl::Accept() {
  for (int i = 0; i < kBacklog; ++i) {
    UniqueFd fd(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      Add(std::move(fd));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The connection stays where it is, and would call us again at once.
      listener.Unwatch();
      pause.Set(After(loop.Now(), kExhaustedPause));
    }
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

void AttachServer::Impl::Add(UniqueFd fd) {
  if (connections.size() >= kMostPending) return;
  auto connection = std::make_unique<Connection>(*this, loop);
  if (!connection->watch.Open(loop, std::move(fd), connection.get())) return;
  connection->watch.Watch(UV_READABLE, &LineReady);
  connection->patience.Set(After(loop.Now(), kPatience));
  connections.push_back(std::move(connection));
}

/// Takes no byte beyond the line: what follows belongs to whoever gets the connection.
void AttachServer::Impl::Read(Connection& connection) {
  std::array<char, kMaxLine> bytes{};
  const int fd = connection.watch.fd();
  const std::size_t room = kMaxLine - connection.line.size();
  const ssize_t seen = ::recv(fd, bytes.data(), room, MSG_PEEK);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (seen <= 0) return Drop(connection);
  const char* const begin = bytes.data();
  const char* const end = begin + seen;
  const char* const lf = std::find(begin, end, '\n');
  const auto size = static_cast<std::size_t>(lf - begin);
  connection.line.append(bytes.data(), size);
  if (::recv(fd, bytes.data(), size + (lf == end ? 0 : 1), 0) <= 0) return Drop(connection);
  if (lf == end) {
    if (connection.line.size() >= kMaxLine) Drop(connection);
    return;
  }
  const auto taken = Remove(connection);
  const pid_t pid = PeerOf(fd);
  on_peer({taken->watch.Take(), pid, std::move(taken->line)});
}

std::unique_ptr<AttachServer::Impl::Connection> AttachServer::Impl::Remove(Connection& connection) {
  const auto it = std::find_if(connections.begin(), connections.end(),
                               [&](const auto& one) { return one.get() == &connection; });
  auto taken = std::move(*it);
  connections.erase(it);
  return taken;
}

Result<std::unique_ptr<AttachServer>> AttachServer::Listen(Loop& loop, std::string path,
                                                           bool for_all, OnPeer on_peer) {
  auto fd = BindAndListen(path, for_all);
  if (!fd) return tl::unexpected(fd.error());
  auto impl = std::make_unique<Impl>(loop, std::move(path), std::move(on_peer));
  if (auto opened = impl->listener.Open(loop, std::move(*fd), impl.get()); !opened) {
    return tl::unexpected(opened.error());
  }
  impl->listener.Watch(UV_READABLE, &Impl::Ready);
  return std::unique_ptr<AttachServer>(new AttachServer(std::move(impl)));
}

AttachServer::AttachServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AttachServer::~AttachServer() {
  ::unlink(impl_->path.c_str());
}

const std::string& AttachServer::path() const {
  return impl_->path;
}

}  // namespace workmand::io
