// Where a daemon's files are, by profile name and environment. Pure but for the user's id; no
// folder is made or looked at.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace workmand {

using Environment = std::map<std::string, std::string>;

/// Where the daemon puts its control socket when the profile does not say: RUNTIME_DIRECTORY, else
/// XDG_RUNTIME_DIR/workman, else /tmp/workman-UID; then NAME.sock.
std::string DefaultControlSocket(std::string_view name, const Environment& environment);
/// Every place where `workman` looks for it, best first: /run/workman, XDG_RUNTIME_DIR/workman,
/// /tmp/workman-UID. A profile's own `admin.socket` is the only candidate.
std::vector<std::string> ControlSocketCandidates(std::string_view name,
                                                 const Environment& environment);
/// STATE_DIRECTORY, else XDG_STATE_HOME/workman, else HOME/.local/state/workman.
std::string DefaultStateDir(const Environment& environment);

/// The longest socket path the kernel takes (sun_path less its NUL).
inline constexpr std::size_t kMaxSocketPath = 107;

}  // namespace workmand
