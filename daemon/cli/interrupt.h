// SIGINT and SIGTERM as something to poll, so that a wait ends with a sentence and not in the
// middle of a word. While one exists the two signals do not end the process.
#pragma once

#include <csignal>
#include <optional>

#include "daemon/cli/console.h"
#include "daemon/io/unique_fd.h"

namespace workmand::cli {

class Interrupt {
 public:
  /// Blocks the signals for this thread, and so for every thread it makes afterwards.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Readable when a signal has come; -1 where the kernel gave none (then nothing interrupts).
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Whether a signal has come and was not taken. Never waits.
  [[nodiscard]] bool Pending() const;
  /// What to exit with when a signal has come, which it takes. Never waits.
  [[nodiscard]] std::optional<ExitCode> Take() const;

 private:
  sigset_t before_{};
  io::UniqueFd fd_;
};

}  // namespace workmand::cli
