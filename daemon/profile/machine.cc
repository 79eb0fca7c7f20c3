#include "daemon/profile/machine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <unistd.h>

namespace workmand {
namespace {

namespace fs = std::filesystem;

std::string ReadSmallFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<int> WholeCpus(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  constexpr long long kMost = 1'000'000;
  return static_cast<int>(std::min((quota + period - 1) / period, kMost));
}

/// Version 2: "max 100000" or "150000 100000".
std::optional<int> UnifiedQuota(const std::string& folder) {
  std::istringstream text(ReadSmallFile(folder + "/cpu.max"));
  long long quota = 0;
  long long period = 0;
  if (!(text >> quota >> period)) return std::nullopt;
  return WholeCpus(quota, period);
}

/// Version 1: a quota of -1 is none.
std::optional<int> LegacyQuota(const std::string& folder) {
  std::istringstream quota_text(ReadSmallFile(folder + "/cpu.cfs_quota_us"));
  std::istringstream period_text(ReadSmallFile(folder + "/cpu.cfs_period_us"));
  long long quota = 0;
  long long period = 0;
  if (!(quota_text >> quota) || !(period_text >> period)) return std::nullopt;
  return WholeCpus(quota, period);
}

/// The least quota from the cgroup up to the root: each level binds those below. In a container the
/// inner levels may be out of sight, and the root then shows the container's own.
template <typename ReadQuota>
std::optional<int> LeastQuota(const std::string& mount, std::string group, ReadQuota read_quota) {
  std::optional<int> least;
  while (true) {
    const auto quota = read_quota(mount + group);
    if (quota) least = std::min(least.value_or(*quota), *quota);
    if (group.empty()) return least;
    group.erase(std::min(group.rfind('/'), group.size()));
    if (group == "/") group.clear();
  }
}

bool HasController(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(comma == std::string_view::npos ? controllers.size() : comma + 1);
  }
  return false;
}

}  // namespace

std::optional<int> CgroupCpus(const std::string& root, std::string_view membership) {
  std::optional<int> cpus;
  std::istringstream lines{std::string(membership)};
  for (std::string line; std::getline(lines, line);) {
    // "0::/user.slice" or "4:cpu,cpuacct:/docker/1f".
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    std::optional<int> found;
    if (controllers.empty()) {
      found = LeastQuota(root, group, UnifiedQuota);
    } else if (HasController(controllers, "cpu")) {
      for (const std::string& mount : {controllers, std::string("cpu")}) {
        if (!found) found = LeastQuota((fs::path(root) / mount).string(), group, LegacyQuota);
      }
    }
    if (found) cpus = std::min(cpus.value_or(*found), *found);
  }
  return cpus;
}

int AllowedCpus() {
  // A mask of fixed size is too small for machines with more CPUs than it has bits; all of them
  // are counted there.
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cpus = sched_getaffinity(0, sizeof mask, &mask) == 0
                 ? CPU_COUNT(&mask)
                 : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const auto quota = CgroupCpus("/sys/fs/cgroup", ReadSmallFile("/proc/self/cgroup"));
  if (quota) cpus = std::min(cpus, *quota);
  return std::max(cpus, 1);
}

}  // namespace workmand
