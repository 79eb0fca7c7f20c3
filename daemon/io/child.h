// A child process with real pipes on stdin, stdout and stderr, in a session of its own. Announces
// exactly one Gone, after the exit status is known and stdout is at EOF or a short grace is over (a
// grandchild may hold the pipe). io knows bytes and pids, not workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/io/loop.h"

namespace workmand::io {

/// What to start. argv[0] is the launcher's affair: `argv` is the worker's own command line.
struct ChildSpec {
  std::string launcher;           ///< path of workmand-launch
  std::vector<std::string> argv;  ///< argv[0] is looked up in the PATH of `env`
  std::vector<std::string> env;   ///< "KEY=value", the whole environment
  std::string working_directory;
  std::optional<int> nice;
  std::map<std::string, std::uint64_t> rlimits;  ///< "nofile" -> soft and hard
  std::string user;                              ///< empty = unchanged
  std::string group;
  enum class Stderr { kPipe, kInherit, kNull };
  Stderr stderr_mode = Stderr::kPipe;
};

/// How a child ended. Exactly one of exit code and signal counts.
struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< 0 = it exited by itself with `code`
  /// The launcher could not exec the command: strerror text; else empty.
  std::string exec_error;
  /// "exit 1", "signal 6 (SIGABRT)", "cannot execute: No such file or directory".
  [[nodiscard]] std::string ToString() const;
};

/// All calls come from the loop; the receiver may destroy the Child inside `on_gone` only.
struct ChildEvents {
  std::function<void(std::string_view)> on_stdout;  ///< bytes; valid during the call
  std::function<void()> on_stdout_eof;              ///< at most once, also before the exit
  std::function<void(std::string_view)> on_stderr;
  std::function<void(int)> on_write_error;  ///< errno; the child no longer reads
  std::function<void(const ExitStatus&)> on_gone;
};

class Child {
 public:
  /// How long after the exit stdout is still awaited.
  static constexpr Duration kPipeGrace{250};

  /// Starts the process. On error nothing was started and no event will come.
  [[nodiscard]] static Result<std::unique_ptr<Child>> Spawn(Loop& loop, const ChildSpec& spec,
                                                            ChildEvents events);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const;
  /// Appends to the output buffer; Flush hands it to the kernel (once per loop turn).
  void Write(std::string_view bytes);
  /// The output buffer itself, to encode into without a copy.
  [[nodiscard]] std::string& buffer();
  void Flush();
  /// Bytes ever put in, and of those how many the pipe has taken.
  [[nodiscard]] std::uint64_t bytes_queued() const;
  [[nodiscard]] std::uint64_t bytes_written() const;
  /// Closes stdin after what is buffered has been written.
  void CloseStdin();
  /// Closes stdin now; what is still buffered is dropped.
  void AbandonStdin();
  /// Stops and resumes reading stdout (back-pressure).
  void PauseReading(bool pause);
  /// Signals the process only; nothing once it has been reaped, so a recycled pid is never hit.
  void Signal(int signo);
  /// Signals its process group; allowed until Gone, since the group outlives its leader.
  void SignalGroup(int signo);

 private:
  struct Impl;
  explicit Child(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace workmand::io
