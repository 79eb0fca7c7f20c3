// The keys of modes exec and lines, and the syntax of placeholders.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/profile/ladder.h"
#include "daemon/profile/pattern.h"
#include "daemon/profile/placeholder.h"
#include "daemon/profile/stdbuf.h"
#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

const std::string kExec = "command: [sh]\nmode: exec\ntasks: {T: {}}\n";
const std::string kLines = "command: [sh]\nmode: lines\ntasks: {T: {}}\n";

/// The only complaint about a text, without the file's name.
std::string Complaint(const std::string& text) {
  const Lines errors = Errors(text);
  const std::string file = "conf/a.yaml:";
  if (errors.size() != 1) return "not one error but " + std::to_string(errors.size());
  return errors.front().substr(file.size());
}

}  // namespace

TEST_CASE("every key of mode exec is read and printed so that it loads again", "[profile]") {
  const Profile profile = Good(kExec +
                               "exec: {result: text, max_result: 1MiB, abort_signal: INT,\n"
                               "  exit_codes: {3: permanent, 127: retry, 5: fail, 0: lost}}\n");

  CHECK(profile.mode == Mode::kExec);
  CHECK(profile.exec.result == OutputKind::kText);
  CHECK(profile.exec.max_result == std::size_t{1} << 20U);
  CHECK(profile.exec.abort_signal == 2);
  CHECK(profile.exec.exit_codes == std::map<int, ExitMeaning>{{0, ExitMeaning::kLost},
                                                              {3, ExitMeaning::kPermanent},
                                                              {5, ExitMeaning::kRetry},
                                                              {127, ExitMeaning::kRetry}});
  const std::string printed = PrintProfile(profile);
  CHECK(printed.find("lines:") == std::string::npos);
  CHECK(PrintProfile(Good(printed)) == printed);
}

TEST_CASE("every key of mode lines is read and printed so that it loads again", "[profile]") {
  const Profile profile = Good(kLines +
                               "lines: {result: json, framing: u32be, stdbuf: true,\n"
                               "  error_match: '^ERR ', error_key: error}\n");

  CHECK(profile.mode == Mode::kLines);
  CHECK(profile.lines.framing == Framing::kU32be);
  CHECK(profile.lines.stdbuf);
  CHECK(profile.lines.error_match == "^ERR ");
  CHECK(profile.lines.error_key == "error");
  const std::string printed = PrintProfile(profile);
  CHECK(printed.find("exec:") == std::string::npos);
  CHECK(PrintProfile(Good(printed)) == printed);
}

TEST_CASE("what a mode needs and what belongs to another one is refused by name", "[profile]") {
  CHECK(Complaint("command: [sh]\nmode: exec\n") ==
        " tasks: is missing; a program of mode exec announces nothing, so the profile names its "
        "tasks, as in 'tasks: {Resize: {}}'");
  CHECK(Complaint("command: [sh]\nmode: lines\n")
            .find("tasks: is missing; a program of mode lines") != std::string::npos);
  CHECK(Complaint(kExec + "lines: {stdbuf: true}\n") ==
        "4:17: lines.stdbuf: belongs to mode lines (mode is exec)");
  CHECK(Complaint(std::string(kMinimal) + "exec: {result: text}\n") ==
        "2:16: exec.result: belongs to mode exec (mode is protocol)");
  CHECK(Complaint(kLines + "config: {a: 1}\n") ==
        "4:9: config: is told to workers that speak the protocol only (mode is lines); use env or "
        "the command line");
  CHECK(Complaint(kLines + "preload: true\n") ==
        "4:10: preload: needs workers that speak the protocol (mode is lines)");
  CHECK(Complaint(kLines + "lines: {result: text, error_key: e}\n") ==
        "4:34: lines.error_key: needs lines.result: json (got text)");
}

TEST_CASE("wrong values of the modes' keys are refused with what would be right", "[profile]") {
  CHECK(Complaint("command: [sh]\nmode: shell\n") ==
        "2:7: mode: must be one of protocol, exec, lines (got 'shell')");
  CHECK(Complaint(kExec + "exec: {exit_codes: {300: done}}\n") ==
        "4:26: exec.exit_codes.300: is no exit code; they are numbers from 0 to 255");
  CHECK(Complaint(kExec + "exec: {exit_codes: {x: done}}\n").find("is no exit code") !=
        std::string::npos);
  CHECK(Complaint(kExec + "exec: {exit_codes: {3: never}}\n") ==
        "4:24: exec.exit_codes.3: must be one of done, retry, fail, permanent, abort, hold, lost "
        "(got 'never')");
  CHECK(Complaint(kExec + "exec: {abort_signal: SEGV}\n")
            .find("must be one of TERM, INT, QUIT, ABRT, HUP, USR1, USR2, KILL (got 'SEGV')") !=
        std::string::npos);
  CHECK(Complaint(kExec + "exec: {max_result: 0}\n").find("must be at least 1") !=
        std::string::npos);
  CHECK(Complaint(kLines + "lines: {error_match: '(a'}\n")
            .find("4:22: lines.error_match: is no regular expression: ") == 0);
  CHECK(Complaint(kExec + "exec: {exit_code: {}}\n") ==
        "4:8: exec.exit_code: unknown key; did you mean 'exec.exit_codes'?");
}

TEST_CASE("the placeholders of a command are checked", "[profile]") {
  const auto with = [](const std::string& command, const std::string& more = "") {
    return Complaint("command: " + command + "\nmode: exec\ntasks: {T: {}}\n" + more);
  };

  CHECK(with("[sh, '{nothing}']") ==
        "1:10: command: '{nothing}' is no placeholder: write {task}, {id}, {attempt}, {args} or "
        "{args.NAME}, or {{nothing}} for the text itself");
  CHECK(with("[sh, '{args.}']").find("'{args.}' is no placeholder") != std::string::npos);
  CHECK(with("['./{args.x}']") ==
        "1:10: command: only {task} can stand in the name of the program (got './{args.x}')");
  CHECK(with("[sh, '{args.x}']", "payload: base64\n") ==
        "1:10: command: {args} needs a payload that is text or JSON (payload is base64)");
  CHECK(with("[sh, '{args.x}']", "payload: text\n") ==
        "1:10: command: {args.x} needs payload: json (payload is text)");
  CHECK(Good("command: [sh, '{args}', '{task}', '{print $1}', '{}']\nmode: exec\n"
             "tasks: {T: {}}\npayload: text\n")
            .command.size() == 5);
  // In another mode a brace is a brace.
  CHECK(Good("command: [sh, '{nothing}']\n").command.back() == "{nothing}");
}

TEST_CASE("an argument is cut into text and placeholders", "[profile]") {
  using Kind = ArgumentPart::Kind;
  using Parts = std::vector<ArgumentPart>;

  CHECK(*ParseArgument("a{task}-{args.b.c}.{attempt}{id}") == Parts{{Kind::kText, "a"},
                                                                    {Kind::kTask, ""},
                                                                    {Kind::kText, "-"},
                                                                    {Kind::kArgs, "b.c"},
                                                                    {Kind::kText, "."},
                                                                    {Kind::kAttempt, ""},
                                                                    {Kind::kId, ""}});
  CHECK(*ParseArgument("{args}") == Parts{{Kind::kArgs, ""}});
  CHECK(*ParseArgument("${x} $${y} {{id}} { id } {") ==
        Parts{{Kind::kText, "${x} $${y} {id} { id } {"}});
  CHECK(ParseArgument("")->empty());
  for (const char* bad : {"{x}", "{args.}", "{args..a}", "{args.a.}", "{argsx}", "{task.x}"}) {
    CHECK_FALSE(ParseArgument(bad).has_value());
  }
}

TEST_CASE("in mode exec each task's program has to be there", "[profile]") {
  const TempFolder folder;
  TempFolder programs;
  std::filesystem::permissions(programs.Write("A.sh", "#!/bin/sh\n"),
                               std::filesystem::perms::owner_all);
  const std::string text =
      "command: ['./{task}.sh']\nmode: exec\nworking_directory: " + programs.path() + "\n";

  CHECK(ErrorsIn(Parse(text + "tasks: {A: {}}\n")).empty());
  CHECK(ErrorsIn(Parse(text + "tasks: {A: {}, B: {}}\n")) ==
        Lines{"conf/a.yaml:1:10: command: './B.sh' cannot be run: No such file or directory"});
}

TEST_CASE("a pattern is found in any bytes", "[profile]") {
  const auto pattern = Pattern::Compile("^ERR [0-9]+$");
  REQUIRE(pattern.has_value());

  CHECK(pattern->FoundIn("ERR 12"));
  CHECK_FALSE(pattern->FoundIn("ERR 12 "));
  CHECK_FALSE(pattern->FoundIn(""));
  CHECK(Pattern::Compile("b")->FoundIn(std::string("a\0b", 3)));
  CHECK_FALSE(Pattern::Compile("[").has_value());
}

TEST_CASE("the ladder names the signal and the steps of the mode", "[profile]") {
  const std::string exec = PrintLadder(Good(kExec + "time_limit: 7s\nexec: {abort_signal: INT}\n"));
  CHECK(exec.find("      7s  SIGINT, the attempt counts (time_limit)\n") != std::string::npos);
  CHECK(exec.find("SIGABRT") == std::string::npos);
  CHECK(exec.find("(start_timeout)") == std::string::npos);

  const std::string lines = PrintLadder(Good(kLines + "time_limit: 7s\n"));
  CHECK(lines.find("      7s  stdin closes, the attempt counts (time_limit)\n") !=
        std::string::npos);
  CHECK(lines.find("      8s  SIGABRT\n     13s  SIGKILL (abort_timeout)\n") != std::string::npos);
  CHECK(PrintLadder(Good(kLines)).find("never answers, and nothing ends it") != std::string::npos);
}

}  // namespace workmand::test
