#include "tests/kafka/front.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "daemon/queue/conformance/loopback.h"

namespace workmand::kafka_broker {
namespace {

using conformance::Loopback;

constexpr std::string_view kHost = "127.0.0.1";

[[noreturn]] void Fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int Connect(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

bool ReadAll(int fd, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t count = recv(fd, to, size, 0);
    if (count <= 0) return false;
    to += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

/// A request or an answer, without its size; nothing: the other side has gone.
std::optional<std::string> ReadFrame(int fd) {
  std::array<char, 4> size{};
  if (!ReadAll(fd, size.data(), size.size())) return std::nullopt;
  Reader reader({size.data(), size.size()});
  std::string frame(static_cast<std::uint32_t>(reader.Int32()), '\0');
  if (!ReadAll(fd, frame.data(), frame.size())) return std::nullopt;
  return frame;
}

bool WriteFrame(int fd, const std::string& frame) {
  const std::string bytes = Writer().Blob(frame).bytes();
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

int ListenOn(std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = Loopback(port);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) Fail("bind");
  if (listen(fd, SOMAXCONN) != 0) Fail("listen");
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) Fail("getsockname");
  port = ntohs(address.sin_port);
  return fd;
}

Front::Front(std::uint16_t behind) : behind_(behind) {
  Up();
}

void Front::Up() {
  const std::lock_guard lock(mutex_);
  if (listener_ >= 0) return;
  coordinator_.Resume();
  listener_ = ListenOn(port_);
  // It ends with the program, or when its listener is shut.
  std::thread([this, listener = listener_] { Accept(listener); }).detach();
}

void Front::Down() {
  {
    const std::lock_guard lock(mutex_);
    if (listener_ < 0) return;
    (void)shutdown(std::exchange(listener_, -1), SHUT_RDWR);
    for (const int client : clients_) (void)shutdown(client, SHUT_RDWR);
  }
  coordinator_.Interrupt();
}

void Front::Accept(int listener) {
  for (;;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (client >= 0 && listener_ == listener) {
      clients_.insert(client);
      std::thread([this, client] { Serve(client); }).detach();
      continue;
    }
    if (client >= 0) close(client);
    if (listener_ == listener) continue;
    close(listener);
    return;
  }
}

void Front::Serve(int client) {
  const int behind = Connect(behind_);
  try {
    Relay(client, behind);
  } catch (const Interrupted&) {
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "kafka_broker: %s\n", error.what());
  }
  if (behind >= 0) close(behind);
  const std::lock_guard lock(mutex_);
  clients_.erase(client);
  close(client);
}

void Front::Relay(int client, int behind) {
  while (const auto request = ReadFrame(client)) {
    Reader reader(*request);
    const Header header = ReadHeader(reader);
    const auto own = coordinator_.Answer(header, reader);
    if (own) {
      if (!WriteFrame(client, Writer().Int32(header.correlation).bytes() + *own)) return;
      continue;
    }
    if (!WriteFrame(behind, *request)) return;
    auto answer = ReadFrame(behind);
    if (!answer || !WriteFrame(client, Redirect(std::move(*answer)))) return;
  }
}

/// Where the mock cluster says that it is, there we are: clients go where they are told.
std::string Front::Redirect(std::string answer) const {
  const std::string from = std::string(kHost) + Writer().Int32(behind_).bytes();
  const std::string to = std::string(kHost) + Writer().Int32(port_).bytes();
  for (std::size_t at = 0; (at = answer.find(from, at)) != std::string::npos; at += to.size()) {
    answer.replace(at, from.size(), to);
  }
  return answer;
}

}  // namespace workmand::kafka_broker
