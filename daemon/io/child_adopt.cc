// A child that another process has forked for us. Its end shows at a pidfd, because libuv waits for
// its own children only; it is reaped here when it is a child of ours.
#include <csignal>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "daemon/io/child.h"
#include "daemon/io/child_impl.h"

namespace workmand::io {
namespace {

/// By number, because <sys/pidfd.h> of glibc 2.36 declares nothing that C++ could link with.
UniqueFd OpenPidFd(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool IsOurChild(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace

Result<std::unique_ptr<Child>> Child::Adopt(Loop& loop, AdoptedChild child, Duration pipe_grace,
                                            ChildEvents events) {
  auto impl = std::make_shared<Impl>(loop, std::move(events));
  impl->pipe_grace = pipe_grace;
  std::unique_ptr<Child> adopted(new Child(impl));
  if (auto opened = impl->OpenAdopted(std::move(child)); !opened) {
    return tl::unexpected(opened.error());
  }
  return adopted;
}

Result<void> Child::Impl::OpenAdopted(AdoptedChild child) {
  if (child.pid <= 0) return Fail(ErrorCode::kSystem, "its process is in another PID namespace");
  UniqueFd pidfd = OpenPidFd(child.pid);
  // One that has ended and was reaped may have given its number to a stranger by now; then its
  // connection is closed, too.
  if (!pidfd || (!IsOurChild(child.pid) && IsHungUp(child.channel.get()))) {
    return Fail(ErrorCode::kSystem, "it ended before it could be taken in");
  }
  // Two descriptors, so that reading and writing are watched and closed apart.
  UniqueFd writing(::fcntl(child.channel.get(), F_DUPFD_CLOEXEC, 0));
  if (!writing) return Fail(ErrorCode::kSystem, "there is no descriptor left for it");
  if (auto opened = ended.Open(loop, std::move(pidfd), this); !opened) return opened;
  if (auto opened = in.Open(loop, std::move(writing), this, &StdinReady); !opened) return opened;
  if (auto opened = out.Open(loop, std::move(child.channel), this); !opened) return opened;
  if (child.err) {
    if (auto opened = err.Open(loop, std::move(child.err), this); !opened) return opened;
    err.Watch(UV_READABLE, &StderrReady);
  }
  pid = child.pid;
  adopted = true;
  loop.waited_for().insert(pid);
  ended.Watch(UV_READABLE, &AdoptedEnded);
  WatchStdout();
  return {};
}

/// What is left of it is reaped by the next look at orphans, which SIGCHLD brings.
void Child::Impl::AbandonAdopted() {
  if (!exited) {
    if (::getpgid(pid) == pid) ::kill(-pid, SIGKILL);
    SignalOne(SIGKILL);
    loop.waited_for().erase(pid);
  }
  ended.Close();
}

void Child::Impl::AdoptedEnded(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
  if (handle->data == nullptr) return;
  const auto self = static_cast<Impl*>(handle->data)->weak_from_this().lock();
  self->OnAdoptedEnd();
}

void Child::Impl::OnAdoptedEnd() {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0) {
    status.unknown = true;
  } else if (info.si_pid == 0) {
    return;
  }
  loop.waited_for().erase(pid);
  const bool by_itself = info.si_code == CLD_EXITED;
  OnExit(by_itself ? info.si_status : 0, by_itself || status.unknown ? 0 : info.si_status);
}

void Child::Impl::SignalOne(int signo) const {
  // By its descriptor where there is one: a stranger with a recycled number is never hit.
  if (adopted) {
    ::syscall(SYS_pidfd_send_signal, ended.fd(), signo, nullptr, 0);
  } else {
    ::kill(pid, signo);
  }
}

}  // namespace workmand::io
