// The notify protocol of systemd, spoken without its library: short texts as datagrams to the
// socket that NOTIFY_SOCKET names. Driven by the loop, which it never blocks; it knows bytes and
// sockets, not what a daemon has to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

#include <uv.h>

#include "daemon/base/result.h"
#include "daemon/io/loop.h"
#include "daemon/io/pipes.h"

namespace workmand::io {

/// What the service manager has put into the environment of the process.
struct NotifySettings {
  std::string socket;         ///< "/path" or "@abstract"; empty = nobody listens
  Duration watchdog_ping{0};  ///< half of what the watchdog allows; 0 = there is none for us
};

/// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; a watchdog that is meant for another
/// process than `self`, or whose time is no number, is none.
[[nodiscard]] NotifySettings ReadNotifySettings(
    const std::map<std::string, std::string>& environment, pid_t self);
/// The same from this process's environment, out of which the variables are taken: no child may
/// inherit them and speak for us. Before any thread is started.
[[nodiscard]] NotifySettings TakeNotifySettings();

/// CLOCK_MONOTONIC in microseconds, for MONOTONIC_USEC.
[[nodiscard]] std::uint64_t MonotonicUsec();

/// Calls `beat` every so often, by the real time: unlike a Timer it does not wait for a freeze of
/// the process to be made good, since whoever counts the beats does not either.
class Metronome {
 public:
  /// `every` 0 = never.
  Metronome(Loop& loop, Duration every, std::function<void()> beat);
  Metronome(const Metronome&) = delete;
  Metronome& operator=(const Metronome&) = delete;
  ~Metronome() = default;

 private:
  UvHandle<uv_timer_t> timer_;
  std::function<void()> beat_;
};

class Notifier {
 public:
  /// So many texts wait for a manager that does not read; what comes then is refused.
  static constexpr std::size_t kMaxWaiting = 64;

  /// `socket` may be empty: then every Send does nothing.
  Notifier(Loop& loop, std::string socket) : loop_(loop), socket_(std::move(socket)) {}
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;
  ~Notifier() = default;

  [[nodiscard]] bool wanted() const { return !socket_.empty(); }
  /// True while texts wait because the manager does not read.
  [[nodiscard]] bool congested() const { return !waiting_.empty(); }
  /// Sends "NAME=value" lines as one datagram, at once or as soon as the manager reads, in order.
  /// Errors: the socket's name is none, nobody listens there, too much waits.
  [[nodiscard]] Result<void> Send(std::string_view text);

 private:
  [[nodiscard]] Result<void> Open();
  /// 0 or an errno.
  int Write(std::string_view text);
  void OnWritable();

  Loop& loop_;
  std::string socket_;
  WatchedFd connection_;
  std::deque<std::string> waiting_;
};

}  // namespace workmand::io
