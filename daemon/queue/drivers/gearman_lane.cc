#include "daemon/queue/drivers/gearman_lane.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace workmand::gearman {
namespace {

constexpr std::string_view kBarrierText = "workmand";
/// An emptied send buffer larger than this is given back.
constexpr std::size_t kKeptBytes = std::size_t{1024} * 1024;

/// Small packets go out at once, and the kernel notices a host that has vanished.
void TuneSocket(int fd) {
  const auto set = [fd](int level, int option, int value) {
    // A kernel without one of these still works; nothing hangs on it.
    (void)setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(kSilenceLimit.count()));
}

std::string Why(int error) {
  return std::strerror(error);  // NOLINT(concurrency-mt-unsafe): glibc's is thread-local.
}

}  // namespace

Lane::Lane(std::vector<Address> addresses, TimePoint now) : addresses_(std::move(addresses)) {
  ConnectNext();
  asked_at_ = now;
  barriers_asked_ = 1;
}

Lane::~Lane() {
  if (fd_ >= 0) close(fd_);
}

void Lane::ConnectNext() {
  std::string why = "has no address";
  while (next_address_ < addresses_.size()) {
    const Address& address = addresses_[next_address_++];
    if (fd_ >= 0) close(fd_);
    fd_ = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ >= 0) {
      TuneSocket(fd_);
      const auto* name = reinterpret_cast<const sockaddr*>(&address.storage);
      if (connect(fd_, name, address.size) == 0 || errno == EINPROGRESS) return;
    }
    why = "cannot be reached: " + Why(errno);
  }
  Lose(std::move(why));
}

void Lane::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    if (next_address_ < addresses_.size()) {
      ConnectNext();
    } else {
      Lose("cannot be reached: " + Why(error));
    }
    return;
  }
  state_ = State::kGreeting;
  // It may have been so for a while, unseen by a daemon that is paused: the greeting has its own
  // time.
  asked_at_ = Clock::now();
  AppendPacket(out_, PacketType::kEchoRequest, {kBarrierText});
  Flush();
}

short Lane::WantedEvents() const {
  if (state_ == State::kConnecting) return POLLOUT;
  const bool unsent = Unsent() > 0;
  return static_cast<short>(POLLIN | (unsent ? POLLOUT : 0));
}

void Lane::Barrier(TimePoint now) {
  if (state_ == State::kConnecting || state_ == State::kLost) return;
  if (Confirmed()) asked_at_ = now;
  ++barriers_asked_;
  AppendPacket(out_, PacketType::kEchoRequest, {kBarrierText});
}

void Lane::Flush() {
  if (state_ == State::kConnecting || state_ == State::kLost) return;
  while (sent_ < out_.size()) {
    const ssize_t count = send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      Lose("closed the connection: " + Why(errno));
      return;
    }
  }
  sent_ = 0;
  out_.clear();
  if (out_.capacity() > kKeptBytes) out_.shrink_to_fit();
}

void Lane::Work(short events) {
  if (state_ == State::kLost || events == 0) return;
  if (state_ == State::kConnecting) {
    FinishConnect();
    return;
  }
  if ((events & POLLOUT) != 0) Flush();
  if ((events & ~POLLOUT) != 0) Receive();
}

void Lane::Receive() {
  if (state_ == State::kConnecting || state_ == State::kLost || !ended_.empty()) return;
  const std::span<char> space = reader_.Space();
  const ssize_t count = recv(fd_, space.data(), space.size(), 0);
  if (count > 0) {
    reader_.Filled(static_cast<std::size_t>(count));
  } else if (count == 0) {
    ended_ = "closed the connection";
  } else if (errno != EAGAIN && errno != EINTR) {
    ended_ = "broke the connection: " + Why(errno);
  }
}

bool Lane::Take(Packet& out) {
  while (state_ != State::kLost) {
    switch (reader_.Take(out)) {
      case PacketReader::Taken::kBroken: Lose(reader_.error()); return false;
      case PacketReader::Taken::kNeedMore:
        if (!ended_.empty()) Lose(ended_);
        return false;
      case PacketReader::Taken::kPacket: break;
    }
    if (out.type != PacketType::kEchoReply) return true;
    if (barriers_answered_ < barriers_asked_) ++barriers_answered_;
    if (state_ == State::kGreeting) state_ = State::kUp;
  }
  return false;
}

void Lane::Lose(std::string reason) {
  if (state_ == State::kLost) return;
  state_ = State::kLost;
  reason_ = std::move(reason);
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void LanePoller::Add(Lane& lane) {
  if (lane.state() == Lane::State::kLost) return;
  lanes_.push_back(&lane);
  fds_.push_back({lane.fd(), lane.WantedEvents(), 0});
}

bool LanePoller::Wait(const Waker* waker, TimePoint until) {
  fds_.push_back({waker != nullptr ? waker->fd() : -1, POLLIN, 0});
  const Duration left = std::min(Until(Clock::now(), until), Duration{3'600'000});
  const int ready = poll(fds_.data(), fds_.size(), static_cast<int>(left.count()));
  const bool woken = ready > 0 && fds_.back().revents != 0;
  for (std::size_t i = 0; ready > 0 && i < lanes_.size(); ++i) lanes_[i]->Work(fds_[i].revents);
  lanes_.clear();
  fds_.clear();
  return woken;
}

}  // namespace workmand::gearman
