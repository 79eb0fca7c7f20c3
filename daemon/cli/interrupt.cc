#include "daemon/cli/interrupt.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace workmand::cli {

Interrupt::Interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  fd_ = io::UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) sigemptyset(&signals);
  (void)pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

Interrupt::~Interrupt() {
  (void)pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Interrupt::Pending() const {
  pollfd one{fd_.get(), POLLIN, 0};
  return ::poll(&one, 1, 0) > 0;
}

std::optional<ExitCode> Interrupt::Take() const {
  signalfd_siginfo info{};
  if (!fd_ || ::read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return info.ssi_signo == SIGTERM ? ExitCode::kTerminated : ExitCode::kInterrupted;
}

}  // namespace workmand::cli
