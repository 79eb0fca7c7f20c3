// What differs between two profiles, and what a reload may do about it. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/profile/profile.h"

namespace workmand {

struct ProfileDiff {
  /// Keys whose value changed, in the order of docs/profile.md.
  std::vector<std::string> changed;
  /// Those of them that a running daemon cannot take over: name, admin.*, state_dir, queue.*.
  std::vector<std::string> needs_restart;
};

ProfileDiff Diff(const Profile& running, const Profile& loaded);

}  // namespace workmand
