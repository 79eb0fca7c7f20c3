#include "daemon/profile/stdbuf.h"

#include <array>
#include <filesystem>
#include <unistd.h>

namespace workmand {

std::string FindStdbufLibrary() {
  namespace fs = std::filesystem;
  constexpr std::array kRoots = {"/usr/libexec", "/usr/lib", "/usr/lib64", "/usr/local/libexec",
                                 "/usr/local/lib"};
  const auto in = [](const fs::path& folder) {
    const std::string path = (folder / "coreutils/libstdbuf.so").string();
    return access(path.c_str(), R_OK) == 0 ? path : std::string();
  };
  for (const char* root : kRoots) {
    if (std::string found = in(root); !found.empty()) return found;
  }
  // Some systems have a folder for each architecture: /usr/lib/x86_64-linux-gnu.
  std::error_code error;
  for (fs::directory_iterator it("/usr/lib", error), end; !error && it != end;
       it.increment(error)) {
    if (std::string found = in(it->path()); !found.empty()) return found;
  }
  return {};
}

}  // namespace workmand
