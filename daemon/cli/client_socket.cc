#include "daemon/cli/client_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <utility>

#include "daemon/profile/load.h"
#include "daemon/profile/paths.h"

namespace workmand::cli {
namespace {

/// Whether a daemon of `owner` may be believed. Anybody can put a socket into /tmp, so there not
/// even root trusts a stranger's; elsewhere root may talk to everybody's daemon.
bool Trusted(uid_t owner, const std::string& path) {
  if (owner == ::geteuid() || owner == 0) return true;
  return ::geteuid() == 0 && path.rfind("/tmp/", 0) != 0;
}

std::string Stranger(uid_t owner) {
  return "belongs to user " + std::to_string(owner) + ", who is neither you nor root";
}

/// What is wrong with the file at `path`; empty = nothing.
std::string Objection(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return ErrnoText(errno);
  if (!S_ISSOCK(info.st_mode)) return "is no socket";
  if (!Trusted(info.st_uid, path)) return Stranger(info.st_uid);
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write to it";
  return {};
}

std::string ConnectTo(const std::string& path, io::UniqueFd& out, ucred& peer) {
  if (path.size() > kMaxSocketPath) return "the path is too long for a socket";
  if (std::string objection = Objection(path); !objection.empty()) return objection;
  io::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoText(errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* raw = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (::connect(fd.get(), raw, sizeof address) != 0) return ErrnoText(errno);
  // The file may have been swapped since it was looked at: the process behind it is what counts.
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return ErrnoText(errno);
  if (!Trusted(peer.uid, path)) return Stranger(peer.uid);
  out = std::move(fd);
  return {};
}

/// For poll(2): -1 = without end.
int PollTimeout(TimePoint deadline) {
  if (deadline == kNever) return -1;
  const Duration left = Until(Clock::now(), deadline);
  return static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX));
}

}  // namespace

Result<ClientSocket> ClientSocket::Connect(const std::vector<std::string>& paths) {
  std::string tried;
  for (const std::string& path : paths) {
    io::UniqueFd fd;
    ucred peer{};
    const std::string problem = ConnectTo(path, fd, peer);
    if (problem.empty()) return ClientSocket(std::move(fd), peer.pid);
    tried += "\n  " + path + ": " + problem;
  }
  return Fail(ErrorCode::kNotFound, "no running daemon of this profile found; tried:" + tried);
}

Result<void> ClientSocket::Send(std::string_view line) {
  std::string bytes(line);
  bytes += '\n';
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      return Fail(ErrorCode::kUnavailable, "the daemon has gone: " + ErrnoText(errno));
    }
  }
  return {};
}

ClientSocket::Heard ClientSocket::Read(std::string& line, TimePoint deadline,
                                       const Interrupt* interrupt) {
  for (;;) {
    const std::size_t lf = received_.find('\n', searched_);
    if (lf != std::string::npos) {
      line.assign(received_, 0, lf);
      received_.erase(0, lf + 1);
      searched_ = 0;
      return Heard::kLine;
    }
    searched_ = received_.size();
    std::array<pollfd, 2> fds{pollfd{fd_.get(), POLLIN, 0},
                              pollfd{interrupt != nullptr ? interrupt->fd() : -1, POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), PollTimeout(deadline));
    if (ready < 0 && errno != EINTR) return Heard::kClosed;
    if (ready < 0) continue;
    if (fds[1].revents != 0) return Heard::kInterrupted;
    if (fds[0].revents == 0) {
      if (Clock::now() >= deadline) return Heard::kTimeout;
      continue;
    }
    std::array<char, 65'536> chunk{};
    const ssize_t got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (got == 0 || (got < 0 && errno != EINTR)) return Heard::kClosed;
    if (got > 0) received_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string> SocketPaths(const Profile& profile) {
  std::vector<std::string> paths;
  if (!profile.admin.socket.empty()) paths.push_back(profile.admin.socket);
  for (std::string& path : ControlSocketCandidates(profile.name, ProcessEnvironment())) {
    if (std::ranges::find(paths, path) == paths.end()) paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace workmand::cli
