// What the service manager that started the daemon (systemd) is told of it: ready, reloading,
// stopping, a line of status, and that the loop turns. Driven by the supervisor on the loop thread;
// without a manager everything here does nothing.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/ids.h"
#include "daemon/base/time.h"
#include "daemon/io/loop.h"
#include "daemon/io/notify.h"

namespace workmand {

class ServiceManager {
 public:
  ServiceManager(io::Loop& loop, const io::NotifySettings& settings);

  /// The line that `systemctl status` shows; sent when it differs from the last one.
  void Status(std::string_view line);
  /// The first worker is ready.
  void Ready();
  /// A reload was asked for: it is refused, or goes on as `generation`, which ends sooner or later
  /// unless a later one takes its place. Before Ready nothing is told of reloads.
  void ReloadAsked();
  void ReloadStarted(Generation generation) { under_way_ = generation; }
  void ReloadRefused();
  void ReloadEnded(Generation generation);
  /// `ladder`: how long the stop may take at most; kInfinite = as long as a job runs.
  void Stopping(Duration ladder);

 private:
  void Send(std::string_view text);
  void Extend(Duration by);
  void Ping();
  void AskForMore();

  io::Loop& loop_;
  io::Notifier notifier_;
  io::Timer extension_;  ///< during a stop without an end
  io::Metronome watchdog_;
  std::string status_;
  bool ready_ = false;
  bool failed_ = false;  ///< the last text did not get through, and the log has it
  Generation under_way_{};
};

}  // namespace workmand
