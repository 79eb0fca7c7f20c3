#include "daemon/io/child.h"

#include <cerrno>
#include <csignal>
#include <unistd.h>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/io/child_impl.h"

namespace workmand::io {
namespace {

/// What is left in the pipe of an ended child is at most a pipe's capacity; a grandchild that keeps
/// writing must not keep us reading.
constexpr int kMaxFinalReads = 32;

}  // namespace

Result<void> Child::Impl::Open(StartedChild started) {
  if (auto opened = in.Open(loop, std::move(started.in), this, &StdinReady); !opened) return opened;
  if (auto opened = out.Open(loop, std::move(started.out), this); !opened) return opened;
  if (started.err) {
    if (auto opened = err.Open(loop, std::move(started.err), this); !opened) return opened;
    err.Watch(UV_READABLE, &StderrReady);
  }
  if (started.side) {
    if (auto opened = side.Open(loop, std::move(started.side), this); !opened) return opened;
    side.Watch(UV_READABLE, &SideReady);
  }
  if (events.on_started) {
    if (auto opened = report.Open(loop, std::move(started.launch_report), this); !opened) {
      return opened;
    }
    report.Watch(UV_READABLE, &ReportReady);
  }
  launch_report = std::move(started.launch_report);
  WatchStdout();
  return {};
}

void Child::Impl::Abandon() {
  abandoned = true;
  settle.Stop();
  in.Close();
  out.Close();
  err.Close();
  side.Close();
  report.Close();
  launch_report.Reset();
  if (adopted) return AbandonAdopted();
  if (pid != 0 && !exited) {
    ::kill(-pid, SIGKILL);
    process.Release();  // `Exited` deletes it once it is reaped
  }
}

void Child::Impl::WatchStdout() {
  out.Watch(UV_READABLE, &StdoutReady);
}

void Child::Impl::StdoutReady(uv_poll_t* handle, int status, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  const auto self = static_cast<Impl*>(handle->data)->weak_from_this().lock();
  // After an error, which only the socket of an adopted child has, libuv calls no more.
  if (status < 0) self->Drain(self->out);
  if (!self->abandoned) self->OnReadable(self->out);
}

void Child::Impl::StderrReady(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  const auto self = static_cast<Impl*>(handle->data)->weak_from_this().lock();
  self->OnReadable(self->err);
}

void Child::Impl::SideReady(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  const auto self = static_cast<Impl*>(handle->data)->weak_from_this().lock();
  self->OnReadable(self->side);
}

void Child::Impl::ReportReady(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  const auto self = static_cast<Impl*>(handle->data)->weak_from_this().lock();
  self->OnReport();
}

/// At its end: the command runs. Anything else is the launcher's complaint.
void Child::Impl::OnReport() {
  status.exec_error = ReadLaunchReport(report.fd());
  report.Close();
  if (status.exec_error.empty() && !exited) events.on_started();
}

void Child::Impl::StdinReady(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  const auto self = static_cast<Impl*>(handle->data)->weak_from_this().lock();
  self->OnWritable();
}

/// Only records. libuv reaps all ended children before it reports the first, so code of the owner
/// that ran here could signal a pid that is no longer its child's.
void Child::Impl::Exited(uv_process_t* process, std::int64_t code, int signo) noexcept {
  if (process->data == nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(process),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_process_t*>(handle); });
    return;
  }
  static_cast<Impl*>(process->data)->OnExit(static_cast<int>(code), signo);
}

/// One read per turn and pipe: a child that floods us cannot starve the others.
void Child::Impl::OnReadable(WatchedFd& pipe) {
  if (Read(pipe) || abandoned || pipe.is_open()) return;
  if (exited && !gone && !out.is_open()) Finish();
}

/// Delivers one read. False when there was nothing, or the end.
bool Child::Impl::Read(WatchedFd& pipe) {
  const ReadOutcome outcome = ReadOnce(loop, pipe.fd());
  switch (outcome.kind) {
    case ReadOutcome::Kind::kNothing: return false;
    case ReadOutcome::Kind::kEnd: OnEnd(pipe); return false;
    case ReadOutcome::Kind::kBytes: break;
  }
  if (&pipe == &out) launch_report.Reset();  // what it says is known now: the command runs
  const auto& receiver = &pipe == &out   ? events.on_stdout
                         : &pipe == &err ? events.on_stderr
                                         : events.on_side;
  if (receiver) receiver({loop.read_buffer().data(), outcome.size});
  return true;
}

void Child::Impl::Drain(WatchedFd& pipe) {
  for (int i = 0; i < kMaxFinalReads && !abandoned && pipe.is_open(); ++i) {
    if (!Read(pipe)) return;
  }
}

void Child::Impl::OnEnd(WatchedFd& pipe) {
  pipe.Close();
  if (&pipe == &out && events.on_stdout_eof) events.on_stdout_eof();
}

void Child::Impl::OnWritable() {
  const int error = in.Resume();
  if (error != 0 && !gone && events.on_write_error) events.on_write_error(error);
}

void Child::Impl::OnExit(int code, int signo) {
  process.Reset();
  ended.Close();
  exited = true;
  status.code = signo != 0 ? 0 : code;
  status.signal = signo;
  if (launch_report) status.exec_error = ReadLaunchReport(launch_report.get());
  if (report.is_open()) status.exec_error = ReadLaunchReport(report.fd());
  launch_report.Reset();
  report.Close();
  in.Close();
  settle.Set(loop.Now());
}

void Child::Impl::OnSettleTimer() {
  const auto self = weak_from_this().lock();
  Drain(out);
  if (abandoned || gone) return;
  if (in_grace || !out.is_open()) {
    Finish();
    return;
  }
  in_grace = true;
  WatchStdout();
  settle.Set(After(loop.Now(), pipe_grace));
}

void Child::Impl::Finish() {
  Drain(err);
  if (!abandoned) Drain(side);
  if (abandoned || gone) return;
  gone = true;
  settle.Stop();
  out.Close();
  err.Close();
  side.Close();
  if (events.on_gone) events.on_gone(status);
  finished = true;
}

Result<std::unique_ptr<Child>> Child::Spawn(Loop& loop, const ChildSpec& spec, ChildEvents events) {
  auto impl = std::make_shared<Impl>(loop, std::move(events));
  impl->process.get()->data = impl.get();
  impl->pipe_grace = spec.pipe_grace;
  auto started = StartChild(loop, impl->process.get(), spec, &Impl::Exited);
  if (!started) return tl::unexpected(started.error());
  impl->pid = impl->process.get()->pid;
  std::unique_ptr<Child> child(new Child(impl));  // from here on its destructor cleans up
  if (auto opened = impl->Open(std::move(*started)); !opened) {
    return tl::unexpected(opened.error());
  }
  return child;
}

Child::Child(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Child::~Child() {
  impl_->Abandon();
}

pid_t Child::pid() const {
  return impl_->pid;
}

void Child::Write(std::string_view bytes) {
  impl_->in.buffer().append(bytes);
}

std::string& Child::buffer() {
  return impl_->in.buffer();
}

void Child::Flush() {
  impl_->in.Flush();
}

bool Child::alive() const {
  return !impl_->exited;
}

std::uint64_t Child::bytes_queued() const {
  return impl_->in.bytes_queued();
}

std::uint64_t Child::bytes_written() const {
  return impl_->in.bytes_written();
}

void Child::CloseStdin() {
  impl_->in.CloseWhenWritten();
}

void Child::AbandonStdin() {
  impl_->in.Close();
}

void Child::PauseReading(bool pause) {
  if (impl_->paused == pause) return;
  impl_->paused = pause;
  if (impl_->exited) return;
  if (pause) {
    impl_->out.Unwatch();
  } else {
    impl_->WatchStdout();
  }
}

void Child::Signal(int signo) {
  if (!impl_->exited) impl_->SignalOne(signo);
}

void Child::SignalGroup(int signo) {
  if (impl_->finished) return;
  // One that was forked for us may lead no group.
  if (impl_->adopted && !impl_->exited && ::getpgid(impl_->pid) != impl_->pid) {
    return impl_->SignalOne(signo);
  }
  // The system gives the number of a group to no process while the group has a member. So once the
  // leader is reaped, a process with its number is a stranger, and says that the group is no more.
  const bool recycled = impl_->exited && (::kill(impl_->pid, 0) == 0 || errno != ESRCH);
  if (!recycled) ::kill(-impl_->pid, signo);
}

}  // namespace workmand::io
