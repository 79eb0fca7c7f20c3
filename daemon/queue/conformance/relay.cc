#include "daemon/queue/conformance/relay.h"

#include <array>
#include <iterator>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "daemon/queue/conformance/loopback.h"

namespace workmand::conformance {
namespace {

/// Blocks until all is sent; the other side of a relay always reads.
bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void AtOnce(int fd) {
  const int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// The other side finds its connection reset, not ended.
void Reset(int fd) {
  const linger at_once{1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

}  // namespace

Relay::Relay(std::uint16_t server)
    : server_(server),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, size) != 0 || listen(listener_, SOMAXCONN) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    close(listener_);
    close(wake_);
    throw std::runtime_error("no loopback port for a relay");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

Relay::~Relay() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  Wake();
  thread_.join();
  for (const Pair& pair : pairs_) {
    close(pair.client);
    close(pair.server);
  }
  close(listener_);
  close(wake_);
}

void Relay::Wake() const {
  (void)eventfd_write(wake_, 1);
}

void Relay::Garble(std::string bytes) {
  const std::lock_guard lock(mutex_);
  garbled_ = std::move(bytes);
}

void Relay::Cut() {
  std::unique_lock lock(mutex_);
  cut_ = true;
  Wake();
  obeyed_.wait(lock, [this] { return !cut_; });
}

void Relay::CutAfter(std::size_t bytes, From side) {
  const std::lock_guard lock(mutex_);
  left_ = bytes;
  side_ = side;
}

void Relay::DoNotCut() {
  CutAfter(kNoCut);
}

void Relay::HalfClose() {
  std::unique_lock lock(mutex_);
  halve_ = true;
  Wake();
  obeyed_.wait(lock, [this] { return !halve_; });
}

void Relay::Hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
  Wake();
}

void Relay::Release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  Wake();
}

void Relay::Accept() {
  Pair pair;
  pair.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (pair.client < 0) return;
  pair.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(server_);
  if (connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(pair.client);
    close(pair.server);
    return;
  }
  AtOnce(pair.client);
  AtOnce(pair.server);
  ++connections_;
  pairs_.push_back(pair);
}

bool Relay::Pass(Pair& pair, bool from_client) {
  std::array<char, 65'536> buffer;
  const int from = from_client ? pair.client : pair.server;
  const ssize_t count = recv(from, buffer.data(), buffer.size(), 0);
  if (count <= 0) return false;
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
  if (from_client) {
    pair.asked = true;
    return SendAll(pair.server, BeforeCut(bytes, From::kClient));
  }
  if (std::exchange(pair.asked, false)) ++answers_;
  if (pair.halved) return true;
  return SendAll(pair.client, garbled_.empty() ? BeforeCut(bytes, From::kServer) : garbled_);
}

/// What of these bytes passes; orders the cut when that is not all.
std::string_view Relay::BeforeCut(std::string_view bytes, From side) {
  if (left_ == kNoCut || side != side_) return bytes;
  const std::string_view passed = bytes.substr(0, left_);
  left_ -= passed.size();
  if (passed.size() == bytes.size()) return passed;
  cut_ = true;
  left_ = kNoCut;
  return passed;
}

/// Does at once what was ordered.
void Relay::Obey() {
  if (cut_) {
    ++cuts_;
    for (const Pair& pair : pairs_) {
      Reset(pair.client);
      Reset(pair.server);
    }
    pairs_.clear();
  }
  for (Pair& pair : pairs_) {
    if (!halve_) break;
    pair.halved = true;
    (void)shutdown(pair.client, SHUT_WR);
  }
  cut_ = false;
  halve_ = false;
  obeyed_.notify_all();
}

/// False when one side has ended: then the other does.
bool Relay::Serve(Pair& pair, short client, short server) {
  const bool open = (client == 0 || Pass(pair, true)) && (server == 0 || Pass(pair, false));
  if (open) return true;
  close(pair.client);
  close(pair.server);
  return false;
}

void Relay::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    // A descriptor of -1 is passed over.
    std::vector<pollfd> fds = {{wake_, POLLIN, 0}, {held_ ? -1 : listener_, POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      if (held_) break;
      fds.push_back({pair.client, POLLIN, 0});
      fds.push_back({pair.server, POLLIN, 0});
    }
    lock.unlock();
    (void)poll(fds.data(), fds.size(), -1);
    lock.lock();
    eventfd_t ignored = 0;
    (void)eventfd_read(wake_, &ignored);
    Obey();
    if (held_) continue;
    // Those that are there since the wait; none when they were all cut.
    std::size_t at = 2;
    for (auto pair = pairs_.begin(); pair != pairs_.end() && at < fds.size(); at += 2) {
      pair =
          Serve(*pair, fds[at].revents, fds[at + 1].revents) ? std::next(pair) : pairs_.erase(pair);
      if (cut_) break;
    }
    if (cut_) Obey();
    if (fds[1].revents != 0) Accept();
  }
}

}  // namespace workmand::conformance
