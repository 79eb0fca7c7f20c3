// What this machine allows: how many CPUs, for the default of max_workers. Reads /proc and
// /sys/fs/cgroup.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace workmand {

/// The CPUs that the affinity mask and the cgroup's quota leave us; at least 1.
int AllowedCpus();

/// The quota of the cgroups that `membership` (the text of /proc/self/cgroup) names, rounded up to
/// whole CPUs; nothing where there is none. `root` is where the hierarchies are mounted.
std::optional<int> CgroupCpus(const std::string& root, std::string_view membership);

}  // namespace workmand
