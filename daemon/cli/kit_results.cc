// Cases 43 to 49: results, and what rides with them or before them.
#include <array>
#include <string>
#include <vector>

#include "daemon/cli/kit.h"
#include "protocol/encode.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

void EpipeEnds(Bench& bench) {
  constexpr Duration kSoon{2'000};
  Subject& subject = bench.Boot();
  subject.talk().CloseOutput();
  subject.Job(bench.task(), bench.args());
  const TimePoint deadline = After(Clock::now(), subject.Scaled(kSoon));
  Expect(subject.talk().Wait(deadline, [&subject] { return subject.talk().end().has_value(); }),
         "it lives on though nobody reads its stdout");
  const WorkerEnd& end = subject.end();
  Expect(!end.clean(), "it ended with 0 though its outcome is lost");
  constexpr int kSegv = 11;
  constexpr int kAbort = 6;
  Expect(end.signal != kSegv && end.signal != kAbort, "it ended with " + end.ToString());
}

void ExitInTask(Bench& bench) {
  Subject& subject = bench.Boot({"kit.exit"});
  subject.Job("kit.exit", "{\"code\":0}");
  const std::vector<Said> outcomes = subject.End(subject.step());
  Expect(outcomes.empty(), "an outcome of a task that has ended the process");
}

void NanResult(Bench& bench) {
  Subject& subject = bench.Boot({"kit.nan", "kit.echo"});
  const Said said = subject.Outcome(subject.Job("kit.nan", "null"));
  Expect(said.type == "fail", "a result that JSON cannot express was answered with " + said.type);
  Expect(said.Raw("error").find("\"unserialisable_result\"") != std::string::npos,
         "error.code is not unserialisable_result");
  subject.Call("kit.echo", "1");
}

std::string EveryByte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

void ExpectBytes(const Said& done, const std::string& bytes) {
  const std::string raw = done.Raw("result_b64");
  Expect(!raw.empty(), "the result is no result_b64");
  Expect(wire::DecodeBase64Inside(std::string_view(raw).substr(1, raw.size() - 2)) == bytes,
         "the bytes of the result are not those that were to come");
}

void BinaryRoundTrip(Bench& bench) {
  Subject& subject = bench.Boot({"kit.echo", "kit.bytes"});
  const Subject::Line job = Subject::JobLine("kit.echo", EveryByte(), true);
  subject.Send(job.text);
  ExpectBytes(subject.Done(job.id), EveryByte());
  ExpectBytes(subject.Call("kit.bytes", "{\"n\":256}"), EveryByte());
}

void ProgressOrder(Bench& bench) {
  Subject& subject = bench.Boot({"kit.progress"});
  std::vector<Said> notes;
  const std::string id = subject.Job("kit.progress", "null");
  // Outcome fails the case when a note has another id.
  const Said said = subject.Outcome(id, subject.step(), &notes);
  Expect(said.type == "done", "the job was answered with " + said.type);
  const auto count = std::erase_if(notes, [](const Said& one) { return one.type == "progress"; });
  Expect(count >= 2, std::to_string(count) + " progress messages, where 2 or more were due");
  subject.Silence(Duration{300}, " after the outcome");
}

void EnqueueInOutcome(Bench& bench) {
  Subject& subject = bench.Boot({"kit.enqueue"});
  const Said said = subject.Call("kit.enqueue", "{}");
  std::string first;
  (void)wire::ForEachElement(said.Raw("enqueue"), [&first](std::string_view one) {
    first = one;
    return false;
  });
  Said spec;
  spec.line = first;
  Expect(!first.empty(), "done has no enqueue");
  Expect(spec.Text("task") == "kit.echo",
         "done.enqueue[0].task is " + spec.Text("task") + ", not kit.echo");
}

/// The `ref` of the `enqueue` that the job asks for.
std::string AwaitEnqueue(Subject& subject) {
  for (;;) {
    const Said said = subject.Next(subject.step(), "enqueue with a ref");
    if (said.type == "enqueue") {
      std::string ref = said.Text("ref");
      Expect(!ref.empty(), "enqueue has no ref, so that nobody would answer");
      return ref;
    }
    Expect(!said.IsOutcome(), "the job was answered with " + said.type + " before its enqueue");
  }
}

void EnqueueRefReply(Bench& bench) {
  Subject& subject = bench.Boot({"kit.enqueue", "kit.echo"});
  const std::string id = subject.Job("kit.enqueue", "{\"now\":true}");
  const std::string ref = AwaitEnqueue(subject);
  const Subject::Line other = Subject::JobLine("kit.echo", "\"other\"");
  std::string reply;
  wire::AppendReply(reply, ref, true, R"({"id":"kit-42"})", "");
  subject.Send("{\"type\":\"cancel\",\"id\":\"kitUnrelated00\",\"reason\":\"revoked\"}\n" +
               other.text + reply);
  std::vector<std::string> wanted = {id, other.id};
  while (!wanted.empty()) {
    const Said said = subject.Next(subject.step(), "outcome of both jobs");
    if (!said.IsOutcome()) continue;
    Expect(said.type == "done", "a job was answered with " + said.type);
    Expect(std::erase(wanted, said.id) == 1, "an outcome for the id " + said.id);
    Expect(said.id != id || said.Result().find("kit-42") != std::string::npos,
           "the job did not get what the reply said: its result is " + said.Result());
  }
}

constexpr std::array kCases = {
    Case{43, "epipe-exit", Level::kSdk, EpipeEnds,
         "Ignore SIGPIPE, and exit with 1 when stdout takes nothing: the daemon has gone."},
    Case{44, "exit-in-task", Level::kSdk, ExitInTask,
         "A task that ends the process leaves no outcome behind: none from a hook of the exit."},
    Case{45, "nan-result", Level::kSdk, NanResult,
         "Encode the result before the outcome begins; what cannot be encoded is a fail with code "
         "unserialisable_result."},
    Case{46, "binary-round-trip", Level::kSdk, BinaryRoundTrip,
         "args_b64 reaches the task as bytes, and bytes leave it as result_b64."},
    Case{47, "progress-order", Level::kSdk, ProgressOrder,
         "progress carries the job's id, leaves at once, and never comes behind the outcome."},
    Case{48, "enqueue-in-outcome", Level::kSdk, EnqueueInOutcome,
         "Follow-ups ride in the outcome: \"enqueue\":[{\"task\":…,\"args\":…}]."},
    Case{49, "enqueue-ref-reply", Level::kSdk, EnqueueRefReply,
         "While waiting for a reply keep every other line, in order, and look for the ref alone."},
};

}  // namespace

std::span<const Case> ResultCases() {
  return kCases;
}

}  // namespace workmand::cli
