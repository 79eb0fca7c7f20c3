#include "daemon/profile/paths.h"

#include <unistd.h>

namespace workmand {
namespace {

/// An absolute path from the environment; "" where it is unset or relative. systemd may list
/// several folders with colons between; the first one is ours.
std::string FolderFrom(const Environment& environment, const std::string& variable) {
  const auto found = environment.find(variable);
  if (found == environment.end() || found->second.empty() || found->second.front() != '/')
    return "";
  return found->second.substr(0, found->second.find(':'));
}

std::string SocketIn(std::string folder, std::string_view name) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder + "/" + std::string(name) + ".sock";
}

std::string SocketInTmp(std::string_view name) {
  return SocketIn("/tmp/workman-" + std::to_string(getuid()), name);
}

}  // namespace

std::string DefaultControlSocket(std::string_view name, const Environment& environment) {
  if (const auto folder = FolderFrom(environment, "RUNTIME_DIRECTORY"); !folder.empty()) {
    return SocketIn(folder, name);
  }
  if (const auto folder = FolderFrom(environment, "XDG_RUNTIME_DIR"); !folder.empty()) {
    return SocketIn(folder + "/workman", name);
  }
  return SocketInTmp(name);
}

std::vector<std::string> ControlSocketCandidates(std::string_view name,
                                                 const Environment& environment) {
  std::vector<std::string> candidates = {SocketIn("/run/workman", name)};
  if (const auto folder = FolderFrom(environment, "XDG_RUNTIME_DIR"); !folder.empty()) {
    candidates.push_back(SocketIn(folder + "/workman", name));
  }
  candidates.push_back(SocketInTmp(name));
  return candidates;
}

std::string DefaultStateDir(const Environment& environment) {
  if (auto folder = FolderFrom(environment, "STATE_DIRECTORY"); !folder.empty()) return folder;
  if (const auto folder = FolderFrom(environment, "XDG_STATE_HOME"); !folder.empty()) {
    return folder + "/workman";
  }
  if (const auto folder = FolderFrom(environment, "HOME"); !folder.empty()) {
    return folder + "/.local/state/workman";
  }
  // A service without a home, not started by systemd.
  return "/var/lib/workman";
}

}  // namespace workmand
