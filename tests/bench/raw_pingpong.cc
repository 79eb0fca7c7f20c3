// The limit that the daemon is measured against: the least that any supervisor must do. One epoll
// loop over pipes, as many workers, the same bytes each way, K lines in flight per worker; no
// queue, no JSON, no ids, no deadlines. It prints one JSON object.
//
//   bench_raw_pingpong SECONDS IN_FLIGHT WORKERS SAMPLE WORKER [ARGUMENT...]
//
// SAMPLE holds two lines that the daemon once wrote: a hello and a job. The first tenth of the time
// is not measured.
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bench_raw_pingpong: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

struct Worker {
  pid_t pid = 0;
  int in = -1;   ///< its stdin, our end, non-blocking
  int out = -1;  ///< its stdout, our end, non-blocking
};

Worker Spawn(char** command) {
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0) Die("pipe");
  const pid_t pid = ::fork();
  if (pid < 0) Die("fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setsid();  // As any supervisor must, to signal what a worker starts. It costs: a session is a
                 // group of its own to the scheduler.
    if (::dup2(to[0], STDIN_FILENO) < 0 || ::dup2(from[1], STDOUT_FILENO) < 0) std::_Exit(127);
    ::execv(command[0], command);
    std::_Exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  for (const int fd : {to[1], from[0]}) {
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) Die("fcntl");
  }
  return {pid, to[1], from[0]};
}

void Write(const Worker& worker, std::string_view bytes) {
  // A few lines always fit an empty pipe.
  if (::write(worker.in, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    Die("write to a worker");
  }
}

/// CPU time of a process in nanoseconds, all its threads.
std::int64_t CpuNs(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) Die("clock");
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class Pingpong {
 public:
  using Clock = std::chrono::steady_clock;

  Pingpong(std::chrono::duration<double> time, std::size_t in_flight, const std::string& sample)
      : time_(time), in_flight_(in_flight) {
    std::ifstream file(sample);
    std::string job;
    if (!std::getline(file, hello_) || !std::getline(file, job)) Die("the sample " + sample);
    hello_ += '\n';
    job += '\n';
    for (std::size_t i = 0; i < in_flight; ++i) lines_ += job;
    line_size_ = job.size();
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  }

  void Start(std::size_t workers, char** command) {
    for (std::size_t i = 0; i < workers; ++i) {
      workers_.push_back(Spawn(command));
      Write(workers_.back(), hello_);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, workers_.back().out, &event) != 0) Die("epoll_ctl");
    }
  }

  /// The `ready` of each worker starts its first jobs.
  void Run() {
    ready_.assign(workers_.size(), false);
    const Clock::time_point begin = Clock::now();
    std::array<epoll_event, 64> events{};
    while (!ended_) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) OnReadable(events[static_cast<std::size_t>(i)].data.u64);
      const std::chrono::duration<double> passed = Clock::now() - begin;
      if (!begun_ && answered_ > 0 && passed >= time_ / 10) begun_ = Look();
      if (begun_ && answered_ > begun_->answered && passed >= time_) ended_ = Look();
    }
  }

  void Report() const {
    const auto measured = static_cast<double>(ended_->answered - begun_->answered);
    const std::chrono::duration<double> seconds = ended_->at - begun_->at;
    const auto per_job_us = [&](std::int64_t ns) {
      return static_cast<double>(ns) / 1e3 / measured;
    };
    std::printf(R"({"rate":%.0f,"cpu_us":%.4f,"workers_cpu_us":%.4f,"line_bytes":%zu})"
                "\n",
                measured / seconds.count(), per_job_us(ended_->own_ns - begun_->own_ns),
                per_job_us(ended_->workers_ns - begun_->workers_ns), line_size_);
  }

  void Stop() {
    for (const Worker& worker : workers_) ::close(worker.in);
    for (const Worker& worker : workers_) {
      int status = 0;
      ::waitpid(worker.pid, &status, 0);
      if (status != 0) Die("a worker failed");
    }
  }

 private:
  struct Moment {
    Clock::time_point at;
    std::int64_t answered = 0;
    std::int64_t own_ns = 0;
    std::int64_t workers_ns = 0;
  };

  [[nodiscard]] std::optional<Moment> Look() const {
    Moment now{Clock::now(), answered_, CpuNs(::getpid()), 0};
    for (const Worker& worker : workers_) now.workers_ns += CpuNs(worker.pid);
    return now;
  }

  void OnReadable(std::size_t index) {
    const Worker& worker = workers_[index];
    const ssize_t size = ::read(worker.out, buffer_.data(), buffer_.size());
    if (size <= 0) Die("read from a worker");
    const std::string_view text(buffer_.data(), static_cast<std::size_t>(size));
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string_view::npos; ++at) ++lines;
    if (!ready_[index] && lines > 0) {
      ready_[index] = true;
      lines = in_flight_;
    } else {
      answered_ += static_cast<std::int64_t>(lines);
    }
    if (lines > 0) Write(worker, std::string_view(lines_).substr(0, lines * line_size_));
  }

  std::chrono::duration<double> time_;
  std::size_t in_flight_;
  std::string hello_;
  std::string lines_;  ///< `in_flight_` job lines
  std::size_t line_size_ = 0;
  int epoll_ = -1;
  std::vector<Worker> workers_;
  std::vector<bool> ready_;
  std::array<char, 65536> buffer_{};
  std::int64_t answered_ = 0;
  std::optional<Moment> begun_;
  std::optional<Moment> ended_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fputs("usage: bench_raw_pingpong SECONDS IN_FLIGHT WORKERS SAMPLE WORKER [ARGUMENT...]\n",
               stderr);
    return 64;
  }
  Pingpong pingpong(std::chrono::duration<double>(std::strtod(argv[1], nullptr)),
                    std::strtoul(argv[2], nullptr, 10), argv[4]);
  pingpong.Start(std::strtoul(argv[3], nullptr, 10), argv + 5);
  pingpong.Run();
  pingpong.Report();
  pingpong.Stop();
  return 0;
}
