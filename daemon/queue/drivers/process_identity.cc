#include "daemon/queue/drivers/process_identity.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace workmand {
namespace {

/// Field 22 of /proc/PID/stat. The name of the program, field 2, may hold spaces and parentheses.
std::optional<std::int64_t> StartTime(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string stat = text.str();
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  constexpr int kFieldsAfterName = 20;
  for (int i = 0; i < kFieldsAfterName; ++i) fields >> field;
  std::int64_t ticks = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), ticks);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return ticks;
}

}  // namespace

Process ThisProcess() {
  Process process;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) process.host = host.data();
  std::ifstream("/proc/sys/kernel/random/boot_id") >> process.boot_id;
  struct stat space {};
  if (stat("/proc/self/ns/pid", &space) == 0) {
    process.pid_namespace = static_cast<std::int64_t>(space.st_ino);
  }
  process.pid = getpid();
  process.start_time = StartTime(process.pid).value_or(0);
  return process;
}

bool IsDead(const Process& process, const Process& here) {
  if (process.host != here.host) return false;
  if (process.boot_id != here.boot_id) return true;
  if (process.pid_namespace != here.pid_namespace) return false;
  const std::optional<std::int64_t> start = StartTime(process.pid);
  if (start) return *start != process.start_time;
  // /proc may hide the processes of other users.
  return kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH;
}

}  // namespace workmand
