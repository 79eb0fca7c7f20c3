// A running worker, seen from the daemon's side of its pipes: bytes out, lines in, signals, its
// end. Blocks in poll(2), one thread. `workman run` and the cases of `workman test-worker` drive
// it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/cli/worker_start.h"
#include "daemon/io/unique_fd.h"
#include "protocol/line_reader.h"

namespace workmand::cli {

/// How a worker ended.
struct WorkerEnd {
  int code = 0;
  int signal = 0;  ///< 0 = it exited by itself with `code`
  [[nodiscard]] bool clean() const { return code == 0 && signal == 0; }
  /// "exit 1", "signal 6 (ABRT)".
  [[nodiscard]] std::string ToString() const;
};

class WorkerTalk {
 public:
  [[nodiscard]] static Result<std::unique_ptr<WorkerTalk>> Start(const WorkerStart& start);
  /// Its process group gets SIGKILL, and it is reaped.
  ~WorkerTalk();
  WorkerTalk(const WorkerTalk&) = delete;
  WorkerTalk& operator=(const WorkerTalk&) = delete;

  /// Puts bytes into the output; they are written while the pipe takes them and Wait runs. What a
  /// worker no longer reads is dropped.
  void Send(std::string_view bytes);
  /// Closes stdin once everything is written.
  void CloseInput();
  /// Closes our end of its stdout: its next write gives EPIPE.
  void CloseOutput() { started_.out.Reset(); }
  /// Whether its stderr is read; it is at first.
  void ReadStderr(bool read) { reads_stderr_ = read; }
  /// Also returns from Wait when this descriptor is readable; borrowed, -1 = none.
  void WatchAlso(int fd) { also_ = fd; }
  void Signal(int signo) const;
  void SignalGroup(int signo) const;

  /// Reads and writes until `done` answers true, which it is asked after each change, or until
  /// `deadline`. Returns what `done` said last.
  bool Wait(TimePoint deadline, const std::function<bool()>& done);
  /// The next line of its stdout in order, without its end, if one is there.
  [[nodiscard]] std::optional<std::string> TakeLine();
  [[nodiscard]] bool has_line() const { return !lines_.empty(); }
  /// Its stdout has ended; a last line without a line feed counts as a line.
  [[nodiscard]] bool output_ended() const { return output_ended_; }
  [[nodiscard]] bool all_written() const { return to_write_.empty(); }
  [[nodiscard]] const std::optional<WorkerEnd>& end() const { return end_; }
  /// Everything that came on its stderr; the caller may clear it.
  [[nodiscard]] std::string& stderr_text() { return stderr_text_; }
  [[nodiscard]] pid_t pid() const { return started_.pid; }

 private:
  explicit WorkerTalk(StartedWorker started);
  void Step(Duration timeout);
  void WriteSome();
  void ReadOutput();
  void ReadStderrBytes();
  void LookForEnd();

  StartedWorker started_;
  io::UniqueFd pidfd_;
  int also_ = -1;
  bool reads_stderr_ = true;
  bool close_input_ = false;
  std::string to_write_;
  std::size_t sent_ = 0;  ///< of to_write_
  workman::protocol::LineReader reader_;
  std::deque<std::string> lines_;
  bool output_ended_ = false;
  std::string stderr_text_;
  std::optional<WorkerEnd> end_;
};

}  // namespace workmand::cli
