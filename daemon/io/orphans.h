// Reaps children that nobody here has started: what a worker left behind when it ended comes to us,
// because we are PID 1 or ask for it, and so does what a shell left that became us. Driven by
// SIGCHLD on the loop. It never waits for "any child": the children of io::Child are libuv's.
#pragma once

#include <functional>
#include <sys/types.h>
#include <vector>

#include "daemon/io/child.h"
#include "daemon/io/loop.h"

namespace workmand::io {

class OrphanReaper {
 public:
  /// `on_reaped` gets each one that has ended; it must not destroy the reaper.
  using Reaped = std::function<void(pid_t, const ExitStatus&)>;

  /// Makes this process the child subreaper: orphans among its descendants become its children.
  OrphanReaper(Loop& loop, Reaped on_reaped);
  /// Orphans to come go to the next reaper above us again.
  ~OrphanReaper();
  OrphanReaper(const OrphanReaper&) = delete;
  OrphanReaper& operator=(const OrphanReaper&) = delete;

 private:
  void Reap();

  Loop& loop_;
  Reaped on_reaped_;
  Signals child_ended_;
};

/// The children of every thread of this process, ended ones included; empty where the system does
/// not tell (/proc is not mounted).
[[nodiscard]] std::vector<pid_t> ListChildren();

}  // namespace workmand::io
