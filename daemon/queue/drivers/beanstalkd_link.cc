#include "daemon/queue/drivers/beanstalkd_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace workmand::beanstalkd {
namespace {

/// No line of the protocol is longer; one that is comes from something else.
constexpr std::size_t kLongestLine = 1024;
/// The server itself allows no larger body.
constexpr std::size_t kLargestBody = std::size_t{1} << 30U;

/// The number of bytes that follow this line, if any do.
std::optional<std::size_t> BodySize(std::string_view line) {
  if (!line.starts_with("RESERVED ") && !line.starts_with("FOUND ") && !line.starts_with("OK ")) {
    return std::nullopt;
  }
  const std::string_view digits = line.substr(line.rfind(' ') + 1);
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole ? size : kLargestBody + 1;
}

}  // namespace

bool Answer::Is(std::string_view word) const {
  return line.starts_with(word) && (line.size() == word.size() || line[word.size()] == ' ');
}

std::string_view Answer::Argument() const {
  const std::string_view text = line;
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return {};
  const std::string_view rest = text.substr(space + 1);
  return rest.substr(0, rest.find(' '));
}

void Link::Lose(const std::string& why) {
  Close();
  throw ConnectionLost("beanstalkd " + name_ + ": " + why);
}

void Link::Close() noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  out_.clear();
  in_.clear();
  taken_ = 0;
  due_ = 0;
}

void Link::Open(const HostPort& server) {
  Close();
  name_ = server.host + ":" + std::to_string(server.port);
  if (TryConnect(server)) return;
  Lose(errno == ETIMEDOUT ? "no connection within 3 s" : std::strerror(errno));
}

bool Link::TryConnect(const HostPort& server) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  // A resolver that hangs is the one wait without an end.
  const int error =
      getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (error != 0) Lose(gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Close();
    fd_ = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) continue;
    if (connect(fd_, one->ai_addr, one->ai_addrlen) != 0) {
      if (errno != EINPROGRESS) continue;
      if (!WaitForSocket(true, After(Clock::now(), kConnectTimeout), nullptr)) {
        errno = ETIMEDOUT;
        continue;
      }
      int failure = 0;
      socklen_t size = sizeof failure;
      getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failure, &size);
      errno = failure;
      if (failure != 0) continue;
    }
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
  }
  return false;
}

bool Link::WaitForSocket(bool writing, TimePoint deadline, const Waker* waker) const {
  const auto events = static_cast<short>(POLLIN | (writing ? POLLOUT : 0));
  if (waker != nullptr) {
    return waker->Wait(fd_, events, Until(Clock::now(), deadline)) == Waker::Why::kReady;
  }
  for (;;) {
    pollfd one{fd_, events, 0};
    const Duration left = std::min(Until(Clock::now(), deadline), Duration{1'000'000});
    const int ready = poll(&one, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

void Link::Send(std::string_view command) {
  if (!open()) throw ConnectionLost("beanstalkd: not connected");
  out_.append(command).append("\r\n");
  ++due_;
}

void Link::SendWithBody(std::string_view command, std::string_view body) {
  Send(std::string(command) + " " + std::to_string(body.size()));
  out_.append(body).append("\r\n");
}

void Link::Write() {
  while (!out_.empty()) {
    const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) Lose(std::strerror(errno));
    out_.erase(0, static_cast<std::size_t>(sent));
  }
}

void Link::Read() {
  std::array<char, 65536> buffer;  // NOLINT(*-member-init): read(2) fills it
  for (;;) {
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) Lose(std::strerror(errno));
    if (got == 0) Lose("the server closed the connection");
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    if (static_cast<std::size_t>(got) < buffer.size()) return;
  }
}

std::optional<Answer> Link::TakeBuffered() {
  const std::string_view rest = std::string_view(in_).substr(taken_);
  const std::size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) {
    if (rest.size() > kLongestLine) Lose("what answers there is no beanstalkd");
    return std::nullopt;
  }
  Answer answer;
  answer.line = rest.substr(0, end);
  std::size_t used = end + 2;
  if (const auto size = BodySize(answer.line)) {
    if (*size > kLargestBody) Lose("what answers there is no beanstalkd");
    if (rest.size() < used + *size + 2) return std::nullopt;
    answer.body = rest.substr(used, *size);
    used += *size + 2;
  }
  if (due_ == 0) Lose("an answer that nobody asked for");
  --due_;
  taken_ += used;
  if (taken_ == in_.size()) {
    in_.clear();
    taken_ = 0;
  } else if (taken_ > std::size_t{1} << 20U) {
    in_.erase(0, taken_);
    taken_ = 0;
  }
  return answer;
}

std::optional<Answer> Link::AwaitUntil(TimePoint deadline, const Waker* waker) {
  if (!open()) throw ConnectionLost("beanstalkd: not connected");
  for (;;) {
    if (auto answer = TakeBuffered()) return answer;
    Write();
    if (!WaitForSocket(!out_.empty(), deadline, waker)) return std::nullopt;
    Read();
  }
}

Answer Link::Await() {
  auto answer = AwaitUntil(After(Clock::now(), kAnswerTimeout), nullptr);
  if (!answer) Lose("no answer within 5 s");
  return std::move(*answer);
}

Answer Link::Ask(std::string_view command) {
  Send(command);
  return Await();
}

}  // namespace workmand::beanstalkd
