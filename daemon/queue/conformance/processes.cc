#include "daemon/queue/conformance/processes.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace workmand::conformance {
namespace {

/// A pipe whose ends no other process inherits by chance.
std::array<int, 2> Pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return ends;
}

pid_t Spawn(std::vector<std::string> words, int in, int out) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(words[0] + " does not start");
  return pid;
}

bool Readable(int fd, Duration timeout) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(timeout.count())) > 0;
}

}  // namespace

Helper::Helper(const ConformanceFixture& fixture, const HelperWork& work) {
  std::vector<std::string> words = fixture.helper;
  const std::string lease = std::to_string(kBriefLease.count());
  for (const std::string& word : {work.mode, work.task, lease, std::to_string(work.jobs)}) {
    words.push_back(word);
  }
  const std::array<int, 2> in = Pipe();
  const std::array<int, 2> out = Pipe();
  in_ = in[1];
  out_ = out[0];
  fcntl(out_, F_SETFL, O_NONBLOCK);
  pid_ = Spawn(std::move(words), in[0], out[1]);
  close(in[0]);
  close(out[1]);
}

Helper::~Helper() {
  Kill();
  if (in_ >= 0) close(in_);
  close(out_);
}

/// Reads what is there; false when there was nothing.
bool Helper::Fill() {
  std::array<char, 4096> buffer{};
  const ssize_t count = read(out_, buffer.data(), buffer.size());
  if (count <= 0) return false;
  text_.append(buffer.data(), static_cast<std::size_t>(count));
  return true;
}

std::string Helper::Line() {
  const TimePoint deadline = After(Clock::now(), kPatience);
  for (;;) {
    const std::size_t end = text_.find('\n');
    if (end != std::string::npos) {
      std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      return line;
    }
    const bool there = Readable(out_, Until(Clock::now(), deadline));
    Expect(there && Fill(), "a helper process said nothing within 10 s, or ended");
  }
}

void Helper::Read(std::vector<std::string>& lines) {
  while (Fill()) {
  }
  std::size_t begin = 0;
  for (std::size_t end = text_.find('\n'); end != std::string::npos;) {
    lines.push_back(text_.substr(begin, end - begin));
    begin = end + 1;
    end = text_.find('\n', begin);
  }
  text_.erase(0, begin);
}

void Helper::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void Helper::Finish() {
  if (in_ >= 0) close(in_);
  in_ = -1;
  const TimePoint deadline = After(Clock::now(), kPatience);
  // The end of its stdout is the end of the process.
  while (Readable(out_, Until(Clock::now(), deadline)) && Fill()) {
  }
  Kill();
}

std::vector<Job> TakeBack(Client& client, std::size_t n) {
  std::vector<Job> all;
  const TimePoint deadline = After(Clock::now(), kPatience);
  while (all.size() < n && Clock::now() < deadline) {
    (void)client.queue().Tick();
    std::vector<Job> some = client.Fetch(n - all.size(), Duration{100});
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  ExpectEqual(all.size(), n, "jobs that came back within 10 s");
  return all;
}

void FinishHeld(const Bench& bench, Client& consumer, const std::vector<Job>& held) {
  std::set<std::string> open;
  for (const Job& job : held) {
    const Applied answer = consumer.Settle(job, Update::Kind::kDone);
    if (bench.caps().Has(Cap::kHoldSurvives)) {
      Expect(answer == Applied::kOk, "a hold did not survive the reconnect");
    } else {
      Expect(answer == Applied::kLost, "a token of the lost session was not answered lost");
      open.insert(job.payload);
    }
  }
  for (const Job& job : TakeBack(consumer, open.size())) {
    Expect(open.erase(job.payload) == 1, "a job came back that was not held");
    consumer.Done(job);
  }
  consumer.ExpectNothing("a job that was done came again");
}

}  // namespace workmand::conformance
