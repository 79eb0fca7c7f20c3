#include "daemon/cli/worker_start.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "daemon/cli/console.h"

namespace workmand::cli {
namespace {

constexpr int kChannelIn = 3;
constexpr int kChannelOut = 4;
/// The lowest descriptor of those that the child has not put in their places yet.
constexpr int kOutOfTheWay = 10;

struct PipeEnds {
  io::UniqueFd read;
  io::UniqueFd write;
};

Result<PipeEnds> OpenPipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return Fail(ErrorCode::kSystem, "no pipe: " + ErrnoText(errno));
  }
  return PipeEnds{io::UniqueFd(fds[0]), io::UniqueFd(fds[1])};
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// What the child needs, made before the fork: behind it nothing allocates.
struct Plan {
  int in = -1;
  int out = -1;
  int err = -1;  ///< -1 = as it is
  int null = -1;
  int report = -1;
  pid_t parent = 0;
  const WorkerStart* start = nullptr;
  char* const* argv = nullptr;
  char* const* env = nullptr;
};

/// A copy of `fd` where no target of PutInPlace lies.
int Away(int fd) {
  return fd < 0 ? fd : ::fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
}

void PutInPlace(Plan plan) {
  for (int* fd : {&plan.in, &plan.out, &plan.err, &plan.null, &plan.report}) *fd = Away(*fd);
  if (plan.err >= 0) ::dup2(plan.err, STDERR_FILENO);
  if (plan.start->channel == Channel::kStdio) {
    ::dup2(plan.in, STDIN_FILENO);
    ::dup2(plan.out, STDOUT_FILENO);
    // The launcher marks it close-on-exec itself.
    if (plan.start->by_launcher) ::dup2(plan.report, WorkerStart::kReportFd);
    // Whatever our own parent forgot to mark is not to reach the worker.
    ::close_range(plan.start->by_launcher ? 4 : 3, ~0U, CLOSE_RANGE_CLOEXEC);
    return;
  }
  ::dup2(plan.null, STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  ::dup2(plan.in, kChannelIn);
  ::dup2(plan.out, kChannelOut);
  ::close_range(kChannelOut + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void Complain(int report) {
  const char* text = ::strerrordesc_np(errno);
  // Nobody is left to be told when this fails.
  if (::write(report, text, std::strlen(text)) < 0) ::_exit(127);
  ::_exit(127);
}

[[noreturn]] void BecomeWorker(const Plan& plan) {
  ::setsid();
  for (int signo = 1; signo < NSIG; ++signo) ::signal(signo, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  rlimit core{};
  if (::getrlimit(RLIMIT_CORE, &core) == 0) {
    core.rlim_cur = 0;
    ::setrlimit(RLIMIT_CORE, &core);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(127);
  const int report = Away(plan.report);
  PutInPlace(plan);
  ::execvpe(plan.argv[0], plan.argv, plan.env);
  Complain(report);
}

/// Everything up to the end; it comes once the command runs.
std::string ReadReport(int fd) {
  const Result<std::string> text = ReadAll(fd);
  return text ? *text : text.error().message;
}

}  // namespace

Result<StartedWorker> StartWorker(const WorkerStart& start) {
  std::array<PipeEnds, 4> pipes;
  for (PipeEnds& one : pipes) {
    Result<PipeEnds> made = OpenPipe();
    if (!made) return tl::unexpected(made.error());
    one = std::move(*made);
  }
  auto& [in, out, err, report] = pipes;
  const io::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::vector<char*> argv = Pointers(start.argv);
  const std::vector<char*> env = Pointers(start.env);
  Plan plan;
  plan.in = start.own_stdin >= 0 ? start.own_stdin : in.read.get();
  plan.out = out.write.get();
  plan.err = start.stderr_to == StderrTo::kInherit ? -1 : err.write.get();
  plan.null = null.get();
  plan.report = report.write.get();
  plan.parent = ::getpid();
  plan.start = &start;
  plan.argv = argv.data();
  plan.env = env.data();
  const pid_t pid = ::fork();
  if (pid < 0) return Fail(ErrorCode::kSystem, "cannot fork: " + ErrnoText(errno));
  if (pid == 0) BecomeWorker(plan);
  for (PipeEnds* one : {&out, &err, &report}) one->write.Reset();
  in.read.Reset();
  if (const std::string complaint = ReadReport(report.read.get()); !complaint.empty()) {
    ::waitpid(pid, nullptr, 0);
    const std::string& name = start.name.empty() ? start.argv.front() : start.name;
    return Fail(ErrorCode::kSystem, "cannot execute " + name + ": " + complaint);
  }
  for (const PipeEnds& one : pipes) {
    if (one.read) ::fcntl(one.read.get(), F_SETFL, O_NONBLOCK);
    if (one.write) ::fcntl(one.write.get(), F_SETFL, O_NONBLOCK);
  }
  StartedWorker worker;
  worker.pid = pid;
  if (start.own_stdin < 0) worker.in = std::move(in.write);
  worker.out = std::move(out.read);
  if (start.stderr_to == StderrTo::kPipe) worker.err = std::move(err.read);
  return worker;
}

}  // namespace workmand::cli
