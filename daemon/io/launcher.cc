#include "daemon/io/launcher.h"

#include <filesystem>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

#include "daemon/base/check.h"

namespace workmand::io {

std::string FindLauncher() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string() : FindLauncherFrom(self.parent_path().string());
}

std::string FindLauncherFrom(const std::string& directory) {
  for (const char* place : {"/workmand-launch", "/../libexec/workman/workmand-launch"}) {
    auto path = std::filesystem::path(directory + place).lexically_normal().string();
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

std::uint64_t RaiseFileLimit() {
  rlimit limit{};
  WORKMAND_CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit of open files is unreadable");
  const std::uint64_t original = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // allowed to everybody
  return original;
}

}  // namespace workmand::io
