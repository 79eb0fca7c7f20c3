// Enough of a process to tell later, from another process, whether it still lives. Queues keep it
// beside what the process holds, so that its jobs are free the moment its death is certain.
#pragma once

#include <cstdint>
#include <string>

namespace workmand {

struct Process {
  std::string host;
  std::string boot_id;             ///< of the kernel: another one = the machine was restarted
  std::int64_t pid_namespace = 0;  ///< pids mean something only within it
  std::int64_t pid = 0;
  std::int64_t start_time = 0;  ///< clock ticks after boot: tells a reused pid
  friend bool operator==(const Process&, const Process&) = default;
};

[[nodiscard]] Process ThisProcess();
/// Whether `process` surely does not run any more, as seen by `here`. A process of another host or
/// in another pid namespace cannot be judged: it counts as alive, and its lease decides.
[[nodiscard]] bool IsDead(const Process& process, const Process& here);

}  // namespace workmand
