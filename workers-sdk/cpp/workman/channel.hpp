// The two descriptors of a worker: whole lines in, whole lines out. Part of workman/worker.hpp.
#pragma once

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>

#include "protocol/line_reader.h"

namespace workman::detail {

inline void Note(const std::string& text) {
  const std::string line = "<4>workman: " + text + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

/// Reads in the thread of the jobs alone; writes in any.
class Channel {
 public:
  /// Takes the descriptors when a daemon started us: children inherit neither them nor the word
  /// that they are workers, and what is printed goes to stderr.
  Channel() : supervised_(std::getenv("WORKMAN") != nullptr) {
    if (supervised_) TakeDescriptors();
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] bool supervised() const { return supervised_; }
  /// Without a daemon: what a job says goes to stderr.
  void Show() { output_ = STDERR_FILENO; }
  [[nodiscard]] bool eof() const { return eof_; }
  std::deque<std::string>& lines() { return lines_; }

  /// The descriptor whose bytes end a wait of Fill().
  void Watch(int wake) { wake_ = wake; }

  /// Waits for input or a wake-up (-1: without end). True if there was anything.
  bool Fill(int timeout_ms) {
    std::array<pollfd, 2> fds{{{wake_, POLLIN, 0}, {eof_ ? -1 : input_, POLLIN, 0}}};
    const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
    if (ready <= 0) return false;
    if (fds[0].revents != 0) {
      std::array<char, 64> bytes;
      [[maybe_unused]] const auto got = ::read(wake_, bytes.data(), bytes.size());
    }
    if (fds[1].revents != 0) Read();
    return true;
  }

  /// Writes `line`, which ends with LF, unless `closed` is true by then. A daemon that has gone
  /// ends the process.
  void Send(std::string_view line, const bool* closed = nullptr) {
    const std::lock_guard lock(write_mutex_);
    if (closed == nullptr || !*closed) Write(line);
  }
  /// The outcome of a job, after which nothing is said of it.
  void SendLast(std::string_view line, bool& closed) {
    const std::lock_guard lock(write_mutex_);
    if (!closed) Write(line);
    closed = true;
  }

  /// A forked child must not speak for us, nor hold our pipes open.
  void Drop() {
    if (input_ >= 0) ::close(input_);
    if (output_ >= 0) ::close(output_);
    input_ = output_ = -1;
  }

 private:
  static int Given(const char* name, int otherwise) {
    const char* text = std::getenv(name);
    const int fd = text != nullptr ? std::atoi(text) : otherwise;
    ::unsetenv(name);
    return fd;
  }

  void TakeDescriptors() {
    ::unsetenv("WORKMAN");
    const int in = Given("WORKMAN_IN", STDIN_FILENO);
    const int out = Given("WORKMAN_OUT", STDOUT_FILENO);
    input_ = ::fcntl(in, F_DUPFD_CLOEXEC, 3);
    output_ = ::fcntl(out, F_DUPFD_CLOEXEC, 3);
    if (in > STDERR_FILENO) ::close(in);
    if (out > STDERR_FILENO) ::close(out);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, STDIN_FILENO);
    if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ::dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO) ::close(null);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
  }

  void Read() {
    const ssize_t got = ::read(input_, buffer_.data(), buffer_.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      eof_ = true;  // What stands after the last LF is no message: nobody hears its outcome.
      return;
    }
    reader_.Feed({buffer_.data(), static_cast<std::size_t>(got)},
                 [this](const protocol::Line& line) {
                   lines_.emplace_back(line.text);
                   return true;
                 });
  }

  void Write(std::string_view data) const {
    if (output_ < 0) return;
    while (!data.empty()) {
      const ssize_t written = ::write(output_, data.data(), data.size());
      if (written >= 0) {
        data.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno == EAGAIN) {
        pollfd fd{output_, POLLOUT, 0};
        ::poll(&fd, 1, -1);
      } else if (errno != EINTR) {
        Note(std::string("cannot write to the daemon: ") + std::strerror(errno));
        ::_exit(1);
      }
    }
  }

  static constexpr std::size_t kMaxLine = std::size_t{1} << 31U;

  bool supervised_;
  bool eof_ = false;
  int input_ = -1;
  int output_ = -1;
  int wake_ = -1;
  std::mutex write_mutex_;
  std::deque<std::string> lines_;
  protocol::LineReader reader_{kMaxLine};
  std::array<char, 65536> buffer_;
};

}  // namespace workman::detail
