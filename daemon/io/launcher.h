// What a daemon does once at its start for the children to come: find the launcher, and make room
// for their pipes. Driven by main.
#pragma once

#include <cstdint>
#include <string>

namespace workmand::io {

/// The path of workmand-launch: beside the running executable (a build tree), else in
/// ../libexec/workman/ relative to it (an installation). Empty when it is in neither.
[[nodiscard]] std::string FindLauncher();
/// The same for an executable in `directory`.
[[nodiscard]] std::string FindLauncherFrom(const std::string& directory);

/// Raises the soft RLIMIT_NOFILE to the hard one, since a child costs three to four descriptors.
/// Returns the soft limit as it was, for ChildSpec::soft_file_limit.
[[nodiscard]] std::uint64_t RaiseFileLimit();

}  // namespace workmand::io
