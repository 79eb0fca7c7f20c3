// Cases 7 to 21: jobs, one outcome each, whatever their shape.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "daemon/cli/kit.h"

namespace workmand::cli {
namespace {

constexpr Duration kSilence{300};

/// An outcome of whichever kind: the task need not know such arguments.
Said Answered(Subject& subject, const std::string& args, std::string_view task) {
  return subject.Outcome(subject.Job(task, args));
}

void OneJobDone(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Call(bench.task(), bench.args());
  subject.Silence(kSilence, " after the outcome");
}

void ResultMatches(Bench& bench) {
  if (!bench.echoes() && !bench.options().expect) throw CaseSkipped("no --expect");
  Subject& subject = bench.Boot();
  bench.ExpectResult(subject.Call(bench.task(), bench.args()), bench.args());
}

void HundredJobs(Bench& bench) {
  Subject& subject = bench.Boot();
  for (int i = 0; i < 100; ++i) subject.Call(bench.task(), bench.args());
}

void NoUnsolicited(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Silence(Duration{1'000}, " that nobody asked for");
}

void JobThenEof(Bench& bench) {
  Subject& subject = bench.Boot();
  const std::string id = subject.Job(bench.task(), bench.args());
  subject.CloseInput();
  subject.Done(id);
  subject.EndsWell(subject.step(), "the outcome");
}

void UnknownType(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Send("{\"type\":\"x-future\",\"id\":\"z\"}\n");
  subject.Call(bench.task(), bench.args());
}

void UnknownFields(Bench& bench) {
  Subject& subject = bench.Boot();
  Subject::Line job = Subject::JobLine(bench.task(), bench.args());
  job.text.insert(job.text.rfind('}'), R"(,"x_new":{"deep":[1,{"args":null}]},"x_more":"é")");
  subject.Send(job.text);
  bench.ExpectResult(subject.Done(job.id), bench.args());
}

void ShutdownThenEof(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Send("{\"type\":\"shutdown\",\"reason\":\"stop\",\"deadline_ms\":20000}\n");
  subject.CloseInput();
  subject.EndsWell(subject.step(), "shutdown and the end of stdin");
}

void SplitWrite(Bench& bench) {
  Subject& subject = bench.Boot();
  const std::string args = bench.echoes() ? "{\"text\":\"é\"}" : bench.args();
  const Subject::Line job = Subject::JobLine(bench.task(), args);
  for (const char c : job.text) {
    subject.talk().Send({&c, 1});
    subject.Pass(Duration{1});
  }
  bench.ExpectResult(subject.Done(job.id), args);
}

void PartialLineThenEof(Bench& bench) {
  Subject& subject = bench.Boot();
  const Subject::Line job = Subject::JobLine(bench.task(), bench.args());
  subject.Send(job.text.substr(0, job.text.size() / 2));
  subject.CloseInput();
  const std::vector<Said> outcomes = subject.End(subject.step());
  Expect(outcomes.empty(), "an outcome of a job that has not come whole");
}

void Utf8RoundTrip(Bench& bench) {
  Subject& subject = bench.Boot();
  const std::string args = "{\"text\":\"\u00e9 \U0001F600 \u2028 \\\" \\\\ \\n \\u0000\"}";
  const Said said = Answered(subject, args, bench.task());
  if (!bench.echoes()) return;
  Expect(said.type == "done", "the job was answered with " + said.type);
  bench.ExpectResult(said, args);
}

void OneMebibyte(Bench& bench) {
  constexpr Duration kLimit{20'000};
  Subject& subject = bench.Boot();
  const std::string args = "\"" + std::string(std::size_t{1} << 20U, 'x') + "\"";
  const std::string id = subject.Job(bench.task(), args);
  const Said said = subject.Outcome(id, subject.Scaled(kLimit));
  if (!bench.echoes()) return;
  Expect(said.type == "done", "the job was answered with " + said.type);
  bench.ExpectResult(said, args);
}

void ShapesOfArguments(Bench& bench) {
  Subject& subject = bench.Boot();
  for (const char* args : {"null", "0", "\"\"", "[]", "{}", "false"}) {
    const Said said = Answered(subject, args, bench.task());
    if (bench.echoes() && said.type == "done") bench.ExpectResult(said, args);
  }
  subject.Call(bench.task(), bench.args());
}

void TwoInOneWrite(Bench& bench) {
  Subject& subject = bench.Boot();
  const Subject::Line first = Subject::JobLine(bench.task(), bench.args());
  const Subject::Line second = Subject::JobLine(bench.task(), bench.args());
  subject.Send(first.text + second.text);
  if (subject.ready().concurrency == 1) {
    subject.Done(first.id);
    subject.Done(second.id);
    return;
  }
  std::vector<std::string> wanted = {first.id, second.id};
  while (!wanted.empty()) {
    const Said said = subject.Next(subject.step(), "outcome");
    if (said.IsOutcome()) {
      Expect(std::erase(wanted, said.id) == 1, "an outcome of a job that was not sent: " + said.id);
    }
  }
}

void StderrFree(Bench& bench) {
  Setup broken;
  broken.stderr_to = StderrTo::kBrokenPipe;
  bench.Boot({}, broken).Call(bench.task(), bench.args());
  Subject& subject = bench.Boot();
  subject.talk().ReadStderr(false);
  const bool prints = bench.options().fixture && subject.Announces("kit.print");
  const std::string args =
      prints ? R"({"text":")" + std::string(std::size_t{1} << 20U, 'e') + "\"}" : bench.args();
  const std::string id = subject.Job(prints ? "kit.print" : bench.task(), args);
  subject.Pass(Duration{2'000});
  subject.talk().ReadStderr(true);
  subject.Done(id);
}

constexpr std::string_view kIgnore = "Ignore types and members that you do not know.";

constexpr std::array kCases = {
    Case{7, "one-job-done", Level::kMust, OneJobDone,
         "Answer each job with exactly one line {\"type\":\"done\",\"id\":ID,…}, ID being the "
         "job's own, and write nothing after it."},
    Case{8, "result-matches", Level::kMust, ResultMatches,
         "The result does not fit the arguments: look at --task, --args and --expect first."},
    Case{9, "hundred-jobs", Level::kMust, HundredJobs,
         "Go back to reading after each outcome, and take the id from the job at hand."},
    Case{10, "no-unsolicited", Level::kMust, NoUnsolicited,
         "Print to stderr whatever is no message."},
    Case{11, "job-then-eof", Level::kMust, JobThenEof,
         "At the end of stdin finish what was read, write its outcome, then exit with 0."},
    Case{12, "unknown-type", Level::kMust, UnknownType, kIgnore},
    Case{13, "unknown-fields", Level::kMust, UnknownFields, kIgnore},
    Case{14, "shutdown-ignored-or-drained", Level::kMust, ShutdownThenEof,
         "A shutdown asks for nothing: the end of stdin follows, and then exit with 0."},
    Case{15, "split-write", Level::kMust, SplitWrite,
         "A read may return a part of a line, even of a character: collect up to the line feed, "
         "then decode."},
    Case{16, "partial-line-eof", Level::kMust, PartialLineThenEof,
         "Drop what stands behind the last line feed at the end of stdin, and exit."},
    Case{17, "utf8-round-trip", Level::kMust, Utf8RoundTrip,
         "Read and write UTF-8, whatever the locale; escape line feeds and zero bytes in JSON."},
    Case{18, "big-1MiB", Level::kMust, OneMebibyte,
         "A line may be long: no fixed buffer, and write the whole result."},
    Case{19, "empty-args-shapes", Level::kMust, ShapesOfArguments,
         "args can be any JSON value: answer with done or fail, and go on living."},
    Case{20, "two-buffered-in-order", Level::kMust, TwoInOneWrite,
         "One read may return several lines: work off all of them, in order."},
    Case{21, "stderr-free", Level::kMust, StderrFree,
         "stderr may be closed or slow: ignore errors of writing there, and SIGPIPE."},
};

}  // namespace

std::span<const Case> JobCases() {
  return kCases;
}

}  // namespace workmand::cli
