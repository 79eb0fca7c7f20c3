// Cases 29 to 33: what the code of a task prints, throws and leaves behind.
#include <array>
#include <string>

#include "daemon/cli/kit.h"

namespace workmand::cli {
namespace {

void FailOutcome(Bench& bench) {
  Subject& subject = bench.Boot({"kit.fail", "kit.echo"});
  const Said said = subject.Outcome(subject.Job("kit.fail", "null"));
  Expect(said.type == "fail", "a task that throws was answered with " + said.type);
  const std::string error = said.Raw("error");
  Said inner;
  inner.line = error;
  Expect(inner.Text("message").find("boom") != std::string::npos,
         "error.message does not have the exception's text");
  Expect(!inner.Text("class").empty() || !inner.Text("trace").empty(),
         "error has neither class nor trace");
  subject.Call("kit.echo", "{\"after\":1}");
}

/// The printed text must be on stderr once the worker has gone, and only the outcome on stdout.
void CheckPrint(Bench& bench, const std::string& args) {
  constexpr Duration kBehindTheEnd{2'000};
  Subject& subject = bench.Boot({"kit.print"});
  subject.Call("kit.print", args);
  subject.CloseInput();
  subject.EndsWell(subject.step(), "the end of stdin");
  Expect(subject.StderrHas("kit-noise", subject.Scaled(kBehindTheEnd)),
         "the text that the task printed is not on stderr");
}

void PrintProtected(Bench& bench) {
  CheckPrint(bench, R"({"text":"kit-noise"})");
}

void PrintWithoutNewline(Bench& bench) {
  CheckPrint(bench, R"({"text":"kit-noise","newline":false})");
}

void ChildPrintProtected(Bench& bench) {
  CheckPrint(bench, R"({"text":"kit-noise","child":true})");
}

void ChildDoesNotHold(Bench& bench) {
  constexpr Duration kAtOnce{2'000};
  Subject& subject = bench.Boot({"kit.orphan"});
  subject.Done(subject.Job("kit.orphan", "{\"s\":30}"), subject.Scaled(kAtOnce));
  subject.CloseInput();
  subject.EndsWell(subject.step(), "the end of stdin");
  // EndsWell has waited a second for it.
  Expect(subject.talk().output_ended(), "a child of the task still holds the worker's stdout");
}

constexpr std::string_view kMoveAway =
    "Before any code of the user: keep a private copy of descriptor 1, close-on-exec, and point "
    "descriptor 1 at stderr; the same for stdin and /dev/null.";

constexpr std::array kCases = {
    Case{29, "fail-outcome", Level::kSdk, FailOutcome,
         "Catch whatever a task throws; its text is error.message, its class error.class."},
    Case{30, "print-protected", Level::kSdk, PrintProtected, kMoveAway},
    Case{31, "print-no-newline", Level::kSdk, PrintWithoutNewline, kMoveAway},
    Case{32, "child-print-protected", Level::kSdk, ChildPrintProtected, kMoveAway},
    Case{33, "child-does-not-hold", Level::kSdk, ChildDoesNotHold,
         "Mark the private copies of the protocol's descriptors close-on-exec."},
};

}  // namespace

std::span<const Case> PrintCases() {
  return kCases;
}

}  // namespace workmand::cli
