// A child process with real pipes on stdin, stdout and stderr, in a session of its own; or one that
// was forked for us, with a socket instead (Adopt). Announces exactly one Gone, after the exit
// status is known and stdout is at EOF or a short grace is over (a grandchild may hold the pipe).
// Driven by the loop; it knows bytes and pids, not workers.
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
#include "daemon/io/unique_fd.h"

namespace workmand::io {

/// What to start. argv[0] is the launcher's affair: `argv` is the worker's own command line.
struct ChildSpec {
  std::string launcher;           ///< path of workmand-launch
  std::vector<std::string> argv;  ///< argv[0] is looked up in the PATH of `env`
  std::vector<std::string> env;   ///< "KEY=value", the whole environment
  std::string working_directory;
  std::optional<int> nice;  ///< absolute, as in `ps -o ni`
  std::optional<unsigned> umask;
  std::map<std::string, std::uint64_t> rlimits;  ///< "nofile" -> soft and hard; max = unlimited
  /// Soft RLIMIT_NOFILE where `rlimits` has no "nofile": what RaiseFileLimit returned, so that a
  /// child starts with the limit that the daemon was started with.
  std::optional<std::uint64_t> soft_file_limit;
  std::string user;  ///< name or number; empty = unchanged
  std::string group;
  enum class Stderr { kPipe, kInherit, kNull };
  Stderr stderr_mode = Stderr::kPipe;
  bool side_pipe = false;    ///< descriptor 3 is a pipe from the child, for ChildEvents::on_side
  Duration pipe_grace{250};  ///< how long after the exit stdout is still awaited
  /// Where the child finds our two pipes. kExtra: on 3 (in) and 4 (out); then 0 is /dev/null, and 1
  /// goes where 2 goes.
  enum class Channel { kStdio, kExtra };
  Channel channel = Channel::kStdio;
};

/// How a child ended. Exactly one of exit code and signal counts.
struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< 0 = it exited by itself with `code`
  /// The launcher could not start the command, and why ("No such file or directory", "chdir /x:
  /// Permission denied"); else empty. It tells such an end from a worker's own exit 127.
  std::string exec_error;
  /// It was not ours to reap, so that neither code nor signal is known.
  bool unknown = false;
  /// "exit 1", "signal 6 (SIGABRT)", "cannot execute: No such file or directory".
  [[nodiscard]] std::string ToString() const;
};

/// All calls come from the loop, never from within a call to the Child; the receiver may destroy
/// the Child in any of them. None comes after `on_gone`.
struct ChildEvents {
  std::function<void(std::string_view)> on_stdout;  ///< bytes; valid during the call
  std::function<void()> on_stdout_eof;              ///< at most once, also before the exit
  std::function<void(std::string_view)> on_stderr;
  std::function<void(int)> on_write_error;  ///< errno, at most once; the child no longer reads
  std::function<void(const ExitStatus&)> on_gone;
  std::function<void(std::string_view)> on_side{};  ///< what came on descriptor 3
  /// The command runs now; at most once, and never when it could not be executed. Only this costs
  /// a watcher, so leave it empty where nobody has to know.
  std::function<void()> on_started{};
};

/// A process that another one has forked for us, and our end of its connection.
struct AdoptedChild {
  pid_t pid = 0;
  UniqueFd channel;  ///< a non-blocking stream socket: its stdin and its stdout in one
  UniqueFd err;      ///< what it writes to stderr; may be none
};

class Child {
 public:
  /// Starts the process; loop thread only (a worker's parent-death signal is tied to the thread
  /// that started it). On error nothing was started and no event will come. A command that cannot
  /// be executed is no error here: it is an ExitStatus with `exec_error`.
  [[nodiscard]] static Result<std::unique_ptr<Child>> Spawn(Loop& loop, const ChildSpec& spec,
                                                            ChildEvents events);
  /// Takes a process in that runs already. It should have become a child of ours (an orphan of a
  /// descendant, see OrphanReaper) and lead a group: only of a child the exit status is known. On
  /// error the process is left alone: kSystem, e.g. when it has ended and somebody has reaped it.
  [[nodiscard]] static Result<std::unique_ptr<Child>> Adopt(Loop& loop, AdoptedChild child,
                                                            Duration pipe_grace,
                                                            ChildEvents events);
  /// A process that still runs gets SIGKILL, with its group; the loop reaps it.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const;
  /// Appends to the output buffer; Flush hands it to the kernel (once per loop turn).
  void Write(std::string_view bytes);
  /// The output buffer itself, to encode into without a copy.
  [[nodiscard]] std::string& buffer();
  void Flush();
  /// Its end has not been seen yet.
  [[nodiscard]] bool alive() const;
  /// Bytes ever put in, and of those how many the pipe has taken. What was dropped counts as put
  /// in.
  [[nodiscard]] std::uint64_t bytes_queued() const;
  [[nodiscard]] std::uint64_t bytes_written() const;
  /// Closes stdin after what is buffered has been written.
  void CloseStdin();
  /// Closes stdin now; what is still buffered is dropped.
  void AbandonStdin();
  /// Stops and resumes reading stdout (back-pressure). The end of stdout is not lost, only late.
  /// What an ended child left in the pipe is read in any case, before Gone.
  void PauseReading(bool pause);
  /// Signals the process only; nothing once it has been reaped, so a recycled pid is never hit.
  void Signal(int signo);
  /// Signals its process group; allowed until on_gone returns, since a group outlives its leader.
  /// Nothing when the group is empty and its number belongs to somebody else by now.
  void SignalGroup(int signo);

 private:
  struct Impl;
  explicit Child(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  ///< shared with the event being delivered
};

}  // namespace workmand::io
