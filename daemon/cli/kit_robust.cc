// Cases 22 to 28: what a daemon never sends, or seldom.
#include <array>
#include <string>

#include "daemon/cli/kit.h"

namespace workmand::cli {
namespace {

void CrlfTolerated(Bench& bench) {
  Subject& subject = bench.Boot();
  Subject::Line job = Subject::JobLine(bench.task(), bench.args());
  job.text.insert(job.text.size() - 1, "\r");
  subject.Send(job.text);
  bench.ExpectResult(subject.Done(job.id), bench.args());
}

void EmptyLine(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Send("\n \t\n");
  subject.Call(bench.task(), bench.args());
}

void SpaceAndOrder(Bench& bench) {
  Subject& subject = bench.Boot();
  const Subject::Line like = Subject::JobLine(bench.task(), bench.args());
  subject.Send(R"( { "queue" : { "driver" : "kit" } , "args" : )" + bench.args() +
               R"( , "timeout_ms" : 0 , "attempt" : 1 , "task" : ")" + bench.task() +
               R"(" , "id" : ")" + like.id + "\" , \"type\" : \"job\" } \n");
  bench.ExpectResult(subject.Done(like.id), bench.args());
}

void UnknownTask(Bench& bench) {
  Subject& subject = bench.Boot();
  if (subject.ready().any_task) throw CaseSkipped("the worker takes any task");
  const Said said = subject.Outcome(subject.Job("kit.no-such-task", bench.args()));
  Expect(said.type == "fail", "a task that is not there was answered with " + said.type);
  Expect(said.Raw("error").find("\"task_not_found\"") != std::string::npos,
         "error.code is not task_not_found");
  subject.Call(bench.task(), bench.args());
}

void WrongTypeOfArguments(Bench& bench) {
  Subject& subject = bench.Boot();
  const bool object = bench.args().starts_with('{');
  for (const char* args : {object ? "[[]]" : "{}", "17", "\"text\""}) {
    const Said said = subject.Outcome(subject.Job(bench.task(), args));
    Expect(said.type != "abort", "a job with wrong arguments was answered with abort");
  }
  subject.Call(bench.task(), bench.args());
}

void LineOfDeclaredLength(Bench& bench) {
  constexpr std::int64_t kMost = std::int64_t{64} << 20U;
  Subject& subject = bench.Boot();
  const std::int64_t max_line = subject.ready().max_line;
  if (max_line == 0) throw CaseSkipped("ready states no max_line");
  if (max_line > kMost) throw CaseSkipped("max_line is too large to try");
  const std::size_t around = Subject::JobLine(bench.task(), "\"\"").text.size() - 1;
  Expect(static_cast<std::size_t>(max_line) > around, "max_line is too small for any job");
  const std::string args =
      "\"" + std::string(static_cast<std::size_t>(max_line) - around, 'x') + "\"";
  const std::string id = subject.Job(bench.task(), args);
  subject.Outcome(id, subject.Scaled(Duration{20'000}));
}

void GarbageIn(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.Send("not json\n");
  subject.Call(bench.task(), bench.args());
}

constexpr std::array kCases = {
    Case{22, "crlf-tolerated", Level::kRobust, CrlfTolerated,
         "Take one carriage return off the end of a line."},
    Case{23, "empty-line", Level::kRobust, EmptyLine, "Ignore lines of only spaces and tabs."},
    Case{24, "whitespace-json", Level::kRobust, SpaceAndOrder,
         "Parse JSON rather than compare texts: spaces may stand anywhere, members in any order."},
    Case{25, "unknown-task", Level::kRobust, UnknownTask,
         "Answer a task that you do not have with fail and error.code task_not_found."},
    Case{26, "wrong-arg-type", Level::kRobust, WrongTypeOfArguments,
         "Catch what a task throws, answer with fail, and go on with the next job."},
    Case{27, "max-line-declared", Level::kRobust, LineOfDeclaredLength,
         "A line of max_line bytes must be taken; ready.max_line is a promise."},
    Case{28, "garbage-in", Level::kRobust, GarbageIn,
         "Ignore a line that is no JSON, with a word on stderr."},
};

}  // namespace

std::span<const Case> RobustCases() {
  return kCases;
}

}  // namespace workmand::cli
