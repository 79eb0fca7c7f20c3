#include "daemon/cli/worker_talk.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace workmand::cli {
namespace {

/// Longer than any line a worker may write, so that the kit can show one that is too long.
constexpr std::size_t kMaxLine = std::size_t{64} << 20U;
constexpr std::size_t kChunk = 65'536;

/// Bytes read, 0 at the end, nothing when there is nothing for now.
std::optional<std::size_t> ReadChunk(int fd, std::array<char, kChunk>& chunk) {
  const ssize_t got = ::read(fd, chunk.data(), chunk.size());
  if (got >= 0) return static_cast<std::size_t>(got);
  if (errno == EAGAIN || errno == EINTR) return std::nullopt;
  return 0;
}

}  // namespace

std::string WorkerEnd::ToString() const {
  if (signal == 0) return "exit " + std::to_string(code);
  std::string text = "signal " + std::to_string(signal);
  if (const char* name = ::sigabbrev_np(signal); name != nullptr) {
    text += std::string(" (") + name + ")";
  }
  return text;
}

Result<std::unique_ptr<WorkerTalk>> WorkerTalk::Start(const WorkerStart& start) {
  // A worker that has gone is a failed write, not the end of this program.
  ::signal(SIGPIPE, SIG_IGN);
  Result<StartedWorker> started = StartWorker(start);
  if (!started) return tl::unexpected(started.error());
  return std::unique_ptr<WorkerTalk>(new WorkerTalk(std::move(*started)));
}

WorkerTalk::WorkerTalk(StartedWorker started) : started_(std::move(started)), reader_(kMaxLine) {
  pidfd_ = io::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, started_.pid, 0)));
}

WorkerTalk::~WorkerTalk() {
  // It is not reaped before, so its pid, and with it its group, is nobody else's.
  SignalGroup(SIGKILL);
  Signal(SIGKILL);
  ::waitpid(started_.pid, nullptr, 0);
}

void WorkerTalk::Send(std::string_view bytes) {
  to_write_.append(bytes);
  WriteSome();
}

void WorkerTalk::CloseInput() {
  close_input_ = true;
  WriteSome();
}

void WorkerTalk::Signal(int signo) const {
  ::kill(started_.pid, signo);
}

void WorkerTalk::SignalGroup(int signo) const {
  ::kill(-started_.pid, signo);
}

bool WorkerTalk::Wait(TimePoint deadline, const std::function<bool()>& done) {
  for (;;) {
    if (done()) return true;
    const Duration left = Until(Clock::now(), deadline);
    if (left == Duration{0}) return false;
    Step(left);
  }
}

std::optional<std::string> WorkerTalk::TakeLine() {
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

void WorkerTalk::Step(Duration timeout) {
  constexpr Duration kLongest{60'000};
  // -1 is left out by poll. The end of the process is of no interest a second time.
  std::array<pollfd, 5> fds{{
      {to_write_.empty() ? -1 : started_.in.get(), POLLOUT, 0},
      {output_ended_ ? -1 : started_.out.get(), POLLIN, 0},
      {reads_stderr_ ? started_.err.get() : -1, POLLIN, 0},
      {end_ ? -1 : pidfd_.get(), POLLIN, 0},
      {also_, POLLIN, 0},
  }};
  const int ready =
      ::poll(fds.data(), fds.size(), static_cast<int>(std::min(timeout, kLongest).count()));
  if (ready <= 0) return;
  if (fds[0].revents != 0) WriteSome();
  if (fds[1].revents != 0) ReadOutput();
  if (fds[2].revents != 0) ReadStderrBytes();
  if (fds[3].revents != 0) LookForEnd();
}

void WorkerTalk::WriteSome() {
  while (sent_ < to_write_.size() && started_.in) {
    const ssize_t written =
        ::write(started_.in.get(), to_write_.data() + sent_, to_write_.size() - sent_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) {
      started_.in.Reset();
      break;
    }
    sent_ += static_cast<std::size_t>(written);
  }
  to_write_.clear();
  sent_ = 0;
  if (to_write_.empty() && close_input_) started_.in.Reset();
}

void WorkerTalk::ReadOutput() {
  std::array<char, kChunk> chunk;
  const std::optional<std::size_t> got = ReadChunk(started_.out.get(), chunk);
  if (!got) return;
  if (*got > 0) {
    reader_.Feed({chunk.data(), *got}, [this](const workman::protocol::Line& line) {
      lines_.emplace_back(line.text);
      return true;
    });
    return;
  }
  if (const auto residue = reader_.Finish()) lines_.emplace_back(residue->text);
  output_ended_ = true;
}

void WorkerTalk::ReadStderrBytes() {
  std::array<char, kChunk> chunk;
  const std::optional<std::size_t> got = ReadChunk(started_.err.get(), chunk);
  if (!got) return;
  stderr_text_.append(chunk.data(), *got);
  if (*got == 0) started_.err.Reset();
}

void WorkerTalk::LookForEnd() {
  siginfo_t info{};
  // Not reaped: see the destructor.
  if (::waitid(P_PID, static_cast<id_t>(started_.pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return;
  }
  end_ = info.si_code == CLD_EXITED ? WorkerEnd{info.si_status, 0} : WorkerEnd{0, info.si_status};
}

}  // namespace workmand::cli
