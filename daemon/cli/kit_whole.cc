// Cases 50 to 55: several jobs at a time, other ways to be started, and how fast it is.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "daemon/cli/kit.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

/// A worker that was asked to run so many jobs at the same time.
Subject& BootConcurrent(Bench& bench, int jobs, std::string_view task) {
  Setup setup;
  setup.env.push_back("WORKMAN_KIT_CONCURRENCY=" + std::to_string(jobs));
  Subject& subject = bench.Boot({task}, setup);
  if (subject.ready().concurrency < 2) {
    throw CaseSkipped("the worker announces a concurrency of 1");
  }
  Expect(subject.ready().concurrency >= jobs, "WORKMAN_KIT_CONCURRENCY asks for " +
                                                  std::to_string(jobs) + ", announced are " +
                                                  std::to_string(subject.ready().concurrency));
  return subject;
}

/// The outcomes of these jobs in whatever order.
std::vector<Said> AllDone(Subject& subject, std::vector<std::string> ids) {
  std::vector<Said> outcomes;
  while (!ids.empty()) {
    Said said = subject.Next(subject.step(), "outcome of each job");
    if (!said.IsOutcome()) continue;
    Expect(said.type == "done", "a job was answered with " + said.type);
    Expect(std::erase(ids, said.id) == 1, "an outcome for the id " + said.id);
    outcomes.push_back(std::move(said));
  }
  return outcomes;
}

void Concurrency(Bench& bench) {
  constexpr Duration kEach{500};
  constexpr Duration kLimit{1'200};
  Subject& subject = BootConcurrent(bench, 4, "kit.sleep");
  // With more patience the jobs are longer: one after the other they must not get through.
  const Duration each = subject.Scaled(kEach);
  const std::string args =
      "{\"s\":" + std::to_string(std::chrono::duration<double>(each).count()) + "}";
  const TimePoint start = Clock::now();
  std::vector<std::string> ids;
  ids.reserve(4);
  for (int i = 0; i < 4; ++i) ids.push_back(subject.Job("kit.sleep", args));
  AllDone(subject, std::move(ids));
  const auto took = std::chrono::duration_cast<Duration>(Clock::now() - start);
  Expect(took < subject.Scaled(kLimit), "4 jobs of " + std::to_string(each.count()) + " ms took " +
                                            std::to_string(took.count()) +
                                            " ms: they did not run at the same time");
}

void Interleaving(Bench& bench) {
  constexpr std::size_t kSize = std::size_t{1} << 20U;
  Subject& subject = BootConcurrent(bench, 8, "kit.bytes");
  std::vector<std::string> ids;
  ids.reserve(8);
  for (int i = 0; i < 8; ++i) ids.push_back(subject.Job("kit.bytes", "{\"n\":1048576}"));
  for (const Said& said : AllDone(subject, std::move(ids))) {
    const std::string raw = said.Raw("result_b64");
    Expect(raw.size() > 2, "the result is no result_b64");
    const auto bytes = wire::DecodeBase64Inside(std::string_view(raw).substr(1, raw.size() - 2));
    Expect(bytes && bytes->size() == kSize, "a result is not whole");
  }
}

/// A file of this case alone.
class TaskFile {
 public:
  TaskFile() {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) throw BailOut("cannot make a file in /tmp");
    ::close(fd);
  }
  ~TaskFile() { ::unlink(path_.c_str()); }
  TaskFile(const TaskFile&) = delete;
  TaskFile& operator=(const TaskFile&) = delete;
  void Write(std::string_view text) const { std::ofstream(path_) << text; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/workman-kit-XXXXXX";
};

void Reload(Bench& bench) {
  const TaskFile file;
  Setup setup;
  setup.env.push_back("WORKMAN_KIT_TASKS=" + file.path());
  file.Write("kit.before\n");
  Subject& before = bench.Boot({}, setup);
  if (before.ready().any_task || !before.Announces("kit.before")) {
    throw CaseSkipped("the worker does not read WORKMAN_KIT_TASKS");
  }
  before.CloseInput();
  before.EndsWell(before.step(), "the end of stdin");
  file.Write("kit.after\n");
  Subject& after = bench.Boot({"kit.after"}, setup);
  Expect(!after.Announces("kit.before"), "a task is still announced that is no longer there");
  after.Call("kit.after", "{\"new\":true}");
}

void DescriptorChannel(Bench& bench) {
  Setup setup;
  setup.channel = Channel::kDescriptors;
  Subject& subject = bench.Boot({}, setup);
  subject.Call(bench.task(), bench.args());
  subject.Silence(Duration{300}, " after the outcome");
  Subject& idle = bench.Boot({}, setup);
  idle.CloseInput();
  idle.EndsWell(idle.step(), "the end of its input");
}

io::UniqueFd OpenTerminal() {
  io::UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (master && (::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0)) master.Reset();
  return master;
}

/// Everything that a worker prints which was started by hand, and how it ends.
std::string PrintedByHand(Bench& bench, std::vector<std::string> arguments, int own_stdin) {
  Setup setup;
  setup.by_hand = true;
  setup.hello = false;
  setup.arguments = std::move(arguments);
  setup.own_stdin = own_stdin;
  Subject& subject = bench.Start(setup);
  const TimePoint deadline = After(Clock::now(), subject.boot());
  Expect(
      subject.talk().Wait(
          deadline, [&subject] { return subject.talk().end() && subject.talk().output_ended(); }),
      "started by hand it neither ends nor says what it is");
  std::string printed;
  while (const auto line = subject.talk().TakeLine()) printed += *line + "\n";
  return printed;
}

void ByHand(Bench& bench) {
  const io::UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const io::UniqueFd master = OpenTerminal();
  std::array<char, 128> name{};
  io::UniqueFd terminal;
  if (master && ::ptsname_r(master.get(), name.data(), name.size()) == 0) {
    terminal = io::UniqueFd(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  for (const io::UniqueFd* own : {&null, std::as_const(terminal) ? &terminal : &null}) {
    const std::string printed = PrintedByHand(bench, {}, own->get());
    Subject& subject = bench.Last();
    const bool helped = !printed.empty() || !subject.talk().stderr_text().empty();
    Expect(helped || !subject.end().clean(),
           "started by hand it ends with 0 and says nothing about itself");
  }
  const std::string list = "\n" + PrintedByHand(bench, {"--list"}, null.get());
  Expect(bench.Last().end().clean(), "--list ended with " + bench.Last().end().ToString());
  Expect(list.find("\n" + bench.task()) != std::string::npos,
         "--list does not print the task " + bench.task());
}

void Throughput(Bench& bench) {
  constexpr int kJobs = 10'000;
  constexpr Duration kAtMost{5'000};
  Subject& subject = bench.Boot();
  std::vector<std::int64_t> took;
  const TimePoint start = Clock::now();
  const TimePoint enough = After(start, kAtMost);
  while (took.size() < kJobs && Clock::now() < enough) {
    const TimePoint sent = Clock::now();
    subject.Call(bench.task(), bench.args());
    took.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - sent).count());
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::ranges::sort(took);
  const std::size_t count = took.size();
  bench.Remark(std::to_string(static_cast<std::int64_t>(static_cast<double>(count) / seconds)) +
               " jobs/s, p50 " + std::to_string(took[count / 2]) + " µs, p99 " +
               std::to_string(took[count * 99 / 100]) + " µs (" + std::to_string(count) +
               " jobs, one at a time)");
}

constexpr std::string_view kParallel =
    "ready.concurrency is how many jobs may run at the same time; each outcome is written under a "
    "lock, in one piece.";

constexpr std::array kCases = {
    Case{50, "concurrency", Level::kSdk, Concurrency, kParallel},
    Case{51, "interleaving", Level::kSdk, Interleaving, kParallel},
    Case{52, "reload", Level::kSdk, Reload,
         "Load the tasks at the start of each worker: a new one must see what changed."},
    Case{53, "fd-channel", Level::kSdk, DescriptorChannel,
         "With WORKMAN_IN and WORKMAN_OUT in the environment the protocol is on those descriptors, "
         "not on 0 and 1."},
    Case{54, "by-hand", Level::kSdk, ByHand,
         "Without WORKMAN in the environment somebody runs the worker by hand: print what it is, "
         "and with --list its tasks, one a line."},
    Case{55, "throughput", Level::kReport, Throughput, "This only measures."},
};

}  // namespace

std::span<const Case> WholeWorkerCases() {
  return kCases;
}

}  // namespace workmand::cli
