// Cases 34 to 42, and 56 (40b): what signals do to a worker.
#include <algorithm>
#include <array>
#include <csignal>
#include <random>
#include <string>
#include <vector>

#include "daemon/cli/kit.h"

namespace workmand::cli {
namespace {

/// "≤ 2 s" of the cases.
constexpr Duration kSoon{2'000};
/// From the first progress of a task to the signal: the task is well inside its work.
constexpr Duration kIntoTheTask{300};

/// Starts a job and waits until its task runs.
std::string Begin(Subject& subject, std::string_view task, std::string_view args) {
  std::string id = subject.Job(task, args);
  subject.Begun(id);
  subject.Pass(kIntoTheTask);
  return id;
}

void TermIdle(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Signal(SIGTERM, "TERM");
  subject.EndsWell(subject.Scaled(kSoon), "TERM");
}

void TermMidJob(Bench& bench) {
  Subject& subject = bench.Boot({"kit.sleep"});
  const TimePoint start = Clock::now();
  const std::string id = Begin(subject, "kit.sleep", "{\"s\":1}");
  subject.Signal(SIGTERM, "TERM");
  subject.Done(id);
  constexpr Duration kMostOfIt{900};
  Expect(Clock::now() - start >= kMostOfIt, "TERM has cut the job short");
  subject.EndsWell(subject.Scaled(kSoon), "the outcome");
}

void TermWithParkedJob(Bench& bench) {
  Subject& subject = bench.Boot({"kit.sleep", "kit.echo"});
  const std::string id = Begin(subject, "kit.sleep", "{\"s\":1}");
  const std::string parked = subject.Job("kit.echo", "\"parked\"");
  subject.Signal(SIGTERM, "TERM");
  const std::vector<Said> outcomes = subject.End(subject.step());
  bool done = false;
  for (const Said& said : outcomes) {
    Expect(said.id == id || said.id == parked, "an outcome for the id " + said.id);
    Expect(said.type == (said.id == id ? "done" : "abort"),
           (said.id == id ? "the running job was answered with " : "the parked job got a ") +
               said.type);
    done = done || said.id == id;
  }
  Expect(done, "no outcome of the running job");
  Expect(outcomes.size() <= 2, "more outcomes than jobs");
  Expect(subject.end().clean(), "it ended with " + subject.end().ToString());
}

void AbortIdle(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Signal(SIGABRT, "ABRT");
  subject.EndsWell(subject.Scaled(kSoon), "ABRT");
}

/// One `abort`, its hook having run, and exit 0.
Said ExpectAbort(Subject& subject, const std::string& id) {
  subject.Signal(SIGABRT, "ABRT");
  Said said = subject.Outcome(id, subject.Scaled(kSoon));
  Expect(said.type == "abort", "the interrupted job was answered with " + said.type);
  subject.EndsWell(subject.Scaled(kSoon), "the abort");
  const std::string& words = subject.talk().stderr_text();
  const std::size_t marker = words.find("on_abort");
  Expect(marker != std::string::npos && words.find(id, marker) != std::string::npos,
         "the on_abort hook has not run: no line on stderr with on_abort and the id");
  return said;
}

void AbortMidSleep(Bench& bench) {
  Subject& subject = bench.Boot({"kit.sleep"});
  ExpectAbort(subject, Begin(subject, "kit.sleep", "{\"s\":10}"));
}

void AbortMidSpin(Bench& bench) {
  Subject& subject = bench.Boot({"kit.spin"});
  ExpectAbort(subject, Begin(subject, "kit.spin", "{\"s\":10}"));
}

void AbortAfterDone(Bench& bench) {
  Subject& subject = bench.Boot({"kit.echo"});
  subject.Call("kit.echo", "1");
  subject.Signal(SIGABRT, "ABRT");
  subject.EndsWell(subject.Scaled(kSoon), "ABRT behind the outcome");
}

void HookSaysNoRequeue(Bench& bench) {
  Subject& subject = bench.Boot({"kit.requeue"});
  const Said said = ExpectAbort(subject, Begin(subject, "kit.requeue", "{\"s\":10}"));
  Expect(said.Raw("requeue") == "false",
         "the hook answered false, but abort.requeue is " +
             (said.Raw("requeue").empty() ? std::string("absent") : said.Raw("requeue")));
}

void IntIgnored(Bench& bench) {
  Subject& subject = bench.Boot({"kit.sleep"});
  const TimePoint start = Clock::now();
  const std::string id = Begin(subject, "kit.sleep", "{\"s\":1}");
  subject.Signal(SIGINT, "INT");
  subject.Done(id);
  constexpr Duration kMostOfIt{900};
  Expect(Clock::now() - start >= kMostOfIt, "INT has cut the job short");
  subject.CloseInput();
  subject.EndsWell(subject.step(), "the end of stdin");
}

using Microseconds = std::chrono::microseconds;

/// How long the short job takes in a fresh worker, from its first progress to its outcome.
Microseconds LengthOfShortJob(Bench& bench) {
  Subject& subject = bench.Boot({"kit.sleep"});
  const std::string id = subject.Job("kit.sleep", "{\"s\":0.01}");
  subject.Begun(id);
  const TimePoint start = Clock::now();
  subject.Done(id);
  return std::chrono::duration_cast<Microseconds>(Clock::now() - start);
}

/// ABRT at a random moment around the end of a short job. Its outcome's type.
std::string RaceOnce(Bench& bench, Microseconds wait, int round) {
  Subject& subject = bench.Boot({"kit.sleep"});
  const std::string id = subject.Job("kit.sleep", "{\"s\":0.01}");
  subject.Begun(id);
  const TimePoint moment = Clock::now() + wait;
  // poll(2) counts in milliseconds, which is too coarse here: the last part is counted by the
  // clock.
  subject.Pass(std::max(Duration{0}, std::chrono::floor<Duration>(wait) - Duration{1}));
  while (Clock::now() < moment) {
  }
  subject.Signal(SIGABRT, "ABRT");
  const std::vector<Said> outcomes = subject.End(subject.step());
  const std::string where = "round " + std::to_string(round) + ": ";
  Expect(outcomes.size() == 1, where + std::to_string(outcomes.size()) + " outcomes");
  const Said& said = outcomes.front();
  Expect(said.id == id, where + "an outcome for the id " + said.id);
  Expect(said.type != "fail", where + "the job was answered with fail");
  Expect(subject.end().clean(), where + "it ended with " + subject.end().ToString());
  return said.type;
}

void AbortRace(Bench& bench) {
  // Seeds differ from run to run: the race is looked for in other places each time.
  std::mt19937 random(std::random_device{}());
  constexpr std::int64_t kSpread = 1'000;
  std::uniform_int_distribution<std::int64_t> around(-kSpread, kSpread);
  // Workers differ, and so does one and the same from hour to hour: the moment moves towards where
  // either outcome is as likely as the other.
  Microseconds middle = LengthOfShortJob(bench);
  int done = 0;
  for (int round = 1; round <= bench.options().rounds; ++round) {
    const Microseconds wait = middle + Microseconds(around(random));
    const bool late = RaceOnce(bench, std::max(wait, Microseconds(0)), round) == "done";
    done += late ? 1 : 0;
    middle += Microseconds(late ? -kSpread / 4 : kSpread / 4);
  }
  bench.Remark(std::to_string(done) + " done, " + std::to_string(bench.options().rounds - done) +
               " abort");
}

constexpr std::string_view kTerm =
    "TERM sets a flag and wakes the wait for input; the running job ends as it would, jobs that "
    "were read but not begun are answered with abort, then exit 0.";
constexpr std::string_view kAbort =
    "ABRT throws into the running job; its on_abort hook runs, then one abort with its id goes "
    "out, "
    "then exit 0.";

constexpr std::array kCases = {
    Case{34, "term-idle", Level::kSdk, TermIdle, kTerm},
    Case{35, "term-mid-job", Level::kSdk, TermMidJob, kTerm},
    Case{36, "term-with-parked-job", Level::kSdk, TermWithParkedJob, kTerm},
    Case{37, "abrt-idle", Level::kSdk, AbortIdle, "ABRT without a job: exit 0 at once."},
    Case{38, "abrt-mid-sleep", Level::kSdk, AbortMidSleep, kAbort},
    Case{39, "abrt-mid-spin", Level::kSdk, AbortMidSpin, kAbort},
    Case{40, "abrt-after-done", Level::kSdk, AbortAfterDone,
         "Once the outcome is written the worker is idle: ABRT only ends it, with 0."},
    Case{41, "abort-hook-requeue-false", Level::kSdk, HookSaysNoRequeue,
         "What the hook answers is abort.requeue."},
    Case{42, "int-ignored", Level::kSdk, IntIgnored,
         "Ignore INT: a terminal sends it to everybody, and the daemon decides who stops."},
    Case{56, "abrt-race", Level::kSdk, AbortRace,
         "Four states: idle, running, finishing, aborting. ABRT exits in idle, throws in running, "
         "and only sets a flag in the others, so that the outcome's line goes out, once. (This is "
         "case 40b.)"},
};

}  // namespace

std::span<const Case> SignalCases() {
  return kCases;
}

}  // namespace workmand::cli
