// The inside of Child, which child.cc and child_adopt.cc share.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <sys/types.h>

#include "daemon/io/child.h"
#include "daemon/io/child_start.h"
#include "daemon/io/loop.h"
#include "daemon/io/pipes.h"
#include "daemon/io/unique_fd.h"

namespace workmand::io {

/// Every callback of libuv holds a reference for its duration, so that the owner may destroy the
/// Child in any event.
struct Child::Impl : std::enable_shared_from_this<Child::Impl> {
  Impl(Loop& the_loop, ChildEvents the_events)
      : loop(the_loop), events(std::move(the_events)), settle(loop, [this] { OnSettleTimer(); }) {}

  Result<void> Open(StartedChild started);
  Result<void> OpenAdopted(AdoptedChild child);
  void AbandonAdopted();
  void OnAdoptedEnd();
  void SignalOne(int signo) const;
  void Abandon();
  void OnReadable(WatchedFd& pipe);
  bool Read(WatchedFd& pipe);
  void Drain(WatchedFd& pipe);
  void OnEnd(WatchedFd& pipe);
  void OnWritable();
  void OnExit(int code, int signo);
  void OnSettleTimer();
  void Finish();
  void WatchStdout();
  void OnReport();

  static void StdoutReady(uv_poll_t* handle, int status, int events) noexcept;
  static void StderrReady(uv_poll_t* handle, int status, int events) noexcept;
  static void SideReady(uv_poll_t* handle, int status, int events) noexcept;
  static void ReportReady(uv_poll_t* handle, int status, int events) noexcept;
  static void StdinReady(uv_poll_t* handle, int status, int events) noexcept;
  static void AdoptedEnded(uv_poll_t* handle, int status, int events) noexcept;
  static void Exited(uv_process_t* process, std::int64_t code, int signo) noexcept;

  Loop& loop;
  ChildEvents events;
  Timer settle;  ///< due at once after the exit, then when the grace for stdout is over
  UvHandle<uv_process_t> process;
  pid_t pid = 0;
  PipeWriter in;
  WatchedFd out;
  WatchedFd err;
  WatchedFd side;
  WatchedFd ended;  ///< of an adopted child: its pidfd, readable once it has ended
  bool adopted = false;
  WatchedFd report;  ///< the same as launch_report, where somebody waits for the start
  Duration pipe_grace{0};
  UniqueFd launch_report;  ///< holds the launcher's complaint, if any; read at the exit
  ExitStatus status;
  bool exited = false;
  bool in_grace = false;
  bool paused = false;
  bool gone = false;       ///< on_gone is being delivered, or was
  bool finished = false;   ///< on_gone has returned
  bool abandoned = false;  ///< the Child was destroyed; nobody is to be called
};

}  // namespace workmand::io
