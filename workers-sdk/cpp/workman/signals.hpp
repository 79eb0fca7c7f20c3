// Signals as numbers that come out of a pipe. Part of workman/worker.hpp.
#pragma once

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <utility>

namespace workman::detail {

/// Handlers and a pipe, and not blocked signals and sigwait(): a child that a job starts inherits
/// blocked signals through exec, and `timeout 5 program` could then end nothing. The kernel hands a
/// signal of the process to the main thread where that can take it, and the main thread only waits
/// here, so that the system calls of jobs are left alone.
class Signals {
 public:
  Signals() = default;
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Installs the handlers. Returns a descriptor that becomes readable with each Wake(); `forked`
  /// is called in every child that fork() makes.
  int Start(std::function<void()> forked) {
    forked_ = std::move(forked);
    self_ = this;
    if (::pipe2(numbers_.data(), O_CLOEXEC | O_NONBLOCK) != 0 ||
        ::pipe2(wake_.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
      return -1;
    }
    ::fcntl(numbers_[0], F_SETFL, 0);  // Wait() waits.
    struct sigaction action {};
    action.sa_sigaction = &Signals::Handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    // INT and PIPE have a handler that does nothing, too: children would inherit SIG_IGN.
    for (const int number : kHandled) ::sigaction(number, &action, nullptr);
    ::pthread_atfork(nullptr, nullptr, &Signals::InChild);
    return wake_[0];
  }

  /// The next signal; 0 after Finish().
  int Wait() {
    unsigned char number = 0;
    while (::read(numbers_[0], &number, 1) < 0 && errno == EINTR) {
    }
    return number;
  }
  void Wake() { Put(wake_[1], 1); }
  void Finish() { Put(numbers_[1], 0); }

 private:
  static constexpr std::array<int, 5> kHandled{SIGTERM, SIGHUP, SIGABRT, SIGINT, SIGPIPE};

  static void Put(int fd, unsigned char byte) {
    const int before = errno;
    [[maybe_unused]] const auto written = ::write(fd, &byte, 1);
    errno = before;
  }

  static void Handle(int number, siginfo_t* info, void* /*context*/) {
    // abort() in the worker itself stays a crash: it raises the signal again after this.
    if (number == SIGABRT && info->si_code == SI_TKILL && info->si_pid == ::getpid()) return;
    if (number == SIGINT || number == SIGPIPE) return;
    Put(self_->numbers_[1], static_cast<unsigned char>(number));
  }

  static void InChild() {
    for (const int number : kHandled) ::signal(number, SIG_DFL);
    self_->forked_();
  }

  inline static Signals* self_ = nullptr;
  std::array<int, 2> numbers_{-1, -1};
  std::array<int, 2> wake_{-1, -1};
  std::function<void()> forked_;
};

}  // namespace workman::detail
