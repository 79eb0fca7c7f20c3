#include "daemon/cli/process.h"

#include <cerrno>
#include <ctime>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace workmand::cli {
namespace {

constexpr std::int64_t kMsPerSecond = 1'000;

/// The moment of its start in clock ticks since boot: field 22 of /proc/PID/stat. The name of the
/// program, field 2, may hold anything, so counting begins behind its last bracket.
std::optional<std::int64_t> StartTicks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(bracket + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  std::int64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks;
}

}  // namespace

std::optional<Duration> UptimeOf(pid_t pid) {
  if (pid <= 0) return std::nullopt;
  const std::optional<std::int64_t> ticks = StartTicks(pid);
  const std::int64_t per_second = ::sysconf(_SC_CLK_TCK);
  timespec now{};
  if (!ticks || per_second <= 0 || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return std::nullopt;
  const std::int64_t now_ms = now.tv_sec * kMsPerSecond + now.tv_nsec / 1'000'000;
  return Duration(now_ms - *ticks * kMsPerSecond / per_second);
}

ProcessHandle::ProcessHandle(pid_t pid) {
  if (pid > 0) fd_ = io::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

void ProcessHandle::WaitForEnd(Duration timeout) const {
  if (!fd_) return;
  pollfd one{fd_.get(), POLLIN, 0};
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    const int ready = ::poll(&one, 1, static_cast<int>(Until(Clock::now(), deadline).count()));
    if (ready >= 0 || errno != EINTR) return;
  }
}

}  // namespace workmand::cli
