#include "tests/conformance/gearmand.h"

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <csignal>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace workmand {
namespace {

constexpr const char* kProgram = "/usr/sbin/gearmand";
constexpr std::chrono::seconds kStartDeadline{10};
constexpr std::chrono::milliseconds kPoll{10};

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// A port that is free now. Another program could take it before the server does; then the server
/// ends at once and Start tries the next.
std::uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = bind(fd, generic, size) == 0 && getsockname(fd, generic, &size) == 0;
  close(fd);
  if (!bound) throw std::runtime_error("no free loopback port");
  return ntohs(address.sin_port);
}

}  // namespace

Gearmand::Gearmand(std::string folder) : log_(std::move(folder) + "/gearmand.log") {}

Gearmand::~Gearmand() {
  Stop();
}

bool Gearmand::Installed() {
  return access(kProgram, X_OK) == 0;
}

std::string Gearmand::address() const {
  return "127.0.0.1:" + std::to_string(port_);
}

void Gearmand::Start() {
  const bool first = port_ == 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (first) port_ = FreePort();
    Spawn();
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    while (std::chrono::steady_clock::now() < deadline && !HasEnded()) {
      if (Answers()) return;
      std::this_thread::sleep_for(kPoll);
    }
    Stop();
  }
  throw std::runtime_error("gearmand does not start, see " + log_);
}

void Gearmand::Spawn() {
  const std::string port = "--port=" + std::to_string(port_);
  const std::string log = "--log-file=" + log_;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  execl(kProgram, kProgram, "--listen=127.0.0.1", port.c_str(), log.c_str(), "--verbose=ERROR",
        nullptr);
  _exit(127);
}

bool Gearmand::Answers() const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(port_);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  constexpr std::array<char, 8> kVersion{'v', 'e', 'r', 's', 'i', 'o', 'n', '\n'};
  std::array<char, 64> answer{};
  const bool answered = connected && send(fd, kVersion.data(), kVersion.size(), MSG_NOSIGNAL) > 0 &&
                        recv(fd, answer.data(), answer.size(), 0) > 0;
  close(fd);
  return answered;
}

bool Gearmand::HasEnded() {
  if (pid_ == 0) return true;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return false;
  pid_ = 0;
  return true;
}

void Gearmand::Stop() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Gearmand::Freeze() const {
  kill(pid_, SIGSTOP);
}

void Gearmand::Thaw() const {
  kill(pid_, SIGCONT);
}

}  // namespace workmand
