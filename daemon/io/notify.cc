#include "daemon/io/notify.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace workmand::io {
namespace {

constexpr const char* kSocket = "NOTIFY_SOCKET";
constexpr const char* kWatchdog = "WATCHDOG_USEC";
constexpr const char* kWatchdogPid = "WATCHDOG_PID";

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view Find(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string_view() : std::string_view(found->second);
}

struct Address {
  sockaddr_un storage{};
  socklen_t size = 0;
};

Result<Address> AddressOf(const std::string& name) {
  Address address;
  if (name.front() != '/' && name.front() != '@') {
    return Fail(ErrorCode::kInvalid, "NOTIFY_SOCKET=" + name + ": must begin with / or @");
  }
  if (name.size() >= sizeof(address.storage.sun_path)) {
    return Fail(ErrorCode::kInvalid, "NOTIFY_SOCKET=" + name + ": is too long");
  }
  address.storage.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), &address.storage.sun_path[0]);
  // An abstract name has a NUL in front and none behind.
  const bool abstract = name.front() == '@';
  if (abstract) address.storage.sun_path[0] = '\0';
  address.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
  return address;
}

}  // namespace

NotifySettings ReadNotifySettings(const std::map<std::string, std::string>& environment,
                                  pid_t self) {
  NotifySettings settings;
  settings.socket = Find(environment, kSocket);
  const std::string_view for_whom = Find(environment, kWatchdogPid);
  const auto allowed = ParseNumber(Find(environment, kWatchdog));
  const bool for_us = for_whom.empty() || ParseNumber(for_whom) == self;
  if (settings.socket.empty() || !for_us || allowed.value_or(0) <= 0) return settings;
  const std::chrono::microseconds half(*allowed / 2);
  settings.watchdog_ping = std::max(Duration{1}, std::chrono::floor<Duration>(half));
  return settings;
}

NotifySettings TakeNotifySettings() {
  std::map<std::string, std::string> environment;
  for (const char* name : {kSocket, kWatchdog, kWatchdogPid}) {
    if (const char* value = std::getenv(name)) environment.emplace(name, value);
    ::unsetenv(name);
  }
  return ReadNotifySettings(environment, ::getpid());
}

std::uint64_t MonotonicUsec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  constexpr std::uint64_t kMicro = 1'000'000;
  return static_cast<std::uint64_t>(now.tv_sec) * kMicro +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

Metronome::Metronome(Loop& loop, Duration every, std::function<void()> beat)
    : beat_(std::move(beat)) {
  uv_timer_init(loop.get(), timer_.get());
  timer_.get()->data = this;
  if (every <= Duration{0}) return;
  const auto ms = static_cast<std::uint64_t>(every.count());
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* timer) noexcept {
        if (timer->data != nullptr) static_cast<Metronome*>(timer->data)->beat_();
      },
      ms, ms);
}

/// Connected, because only then does poll say when the other side has room.
Result<void> Notifier::Open() {
  const auto address = AddressOf(socket_);
  if (!address) return tl::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage),
                       address->size) != 0) {
    return Fail(ErrorCode::kSystem, "NOTIFY_SOCKET=" + socket_ + ": " + std::strerror(errno));
  }
  return connection_.Open(loop_, std::move(fd), this);
}

int Notifier::Write(std::string_view text) {
  ssize_t sent = 0;
  do {
    sent = ::send(connection_.fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

Result<void> Notifier::Send(std::string_view text) {
  if (!wanted()) return {};
  int error = ENOTCONN;
  // A manager that was started again has a new socket under the old name: one more try finds it.
  for (int i = 0; i < 2 && waiting_.empty() && error != 0 && error != EAGAIN; ++i) {
    if (i > 0) connection_.Close();
    if (!connection_.is_open()) {
      if (auto opened = Open(); !opened) return opened;
    }
    error = Write(text);
  }
  if (error == 0) return {};
  if (!waiting_.empty() || error == EAGAIN) {
    if (waiting_.size() == kMaxWaiting) {
      return Fail(ErrorCode::kUnavailable, "the service manager does not read");
    }
    waiting_.emplace_back(text);
    connection_.Watch(UV_WRITABLE, [](uv_poll_t* handle, int, int) noexcept {
      if (handle->data != nullptr) static_cast<Notifier*>(handle->data)->OnWritable();
    });
    return {};
  }
  connection_.Close();
  return Fail(ErrorCode::kSystem, "NOTIFY_SOCKET=" + socket_ + ": " + std::strerror(error));
}

void Notifier::OnWritable() {
  while (!waiting_.empty()) {
    const int error = Write(waiting_.front());
    if (error == EAGAIN) return;
    if (error != 0) {
      // What waited was for a manager that has gone; the next Send looks for a new one.
      waiting_.clear();
      connection_.Close();
      return;
    }
    waiting_.pop_front();
  }
  connection_.Unwatch();
}

}  // namespace workmand::io
