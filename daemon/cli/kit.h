// What the cases of `workman test-worker` are written with: a bench per case, which starts workers,
// and subjects, which fail the case when the worker does not keep docs/protocol.md. Only the files
// kit_*.cc and test_worker.cc include it.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/test_worker.h"
#include "daemon/cli/worker_talk.h"
#include "protocol/messages.h"

namespace workmand::cli {

struct CaseFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The worker never said `ready`; when it never does in any case, the rest is pointless.
struct NeverReady : CaseFailed {
  using CaseFailed::CaseFailed;
};
struct CaseSkipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The whole run cannot go on, for example because there is no such program.
struct BailOut : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Fails the case with `sentence` (what is wrong, not what was hoped for).
void Expect(bool condition, const std::string& sentence);

/// A message of the worker.
struct Said {
  std::string line;
  std::string type;
  std::string id;  ///< empty where it has none
  /// The raw JSON of a member, empty when it is absent.
  [[nodiscard]] std::string Raw(std::string_view member) const;
  /// The characters of a string member, empty when it is absent or no string.
  [[nodiscard]] std::string Text(std::string_view member) const;
  /// Raw JSON of the result; an absent one is null, binary ones are empty.
  [[nodiscard]] std::string Result() const;
  [[nodiscard]] bool IsOutcome() const;
};

/// How a subject is started.
struct Setup {
  std::vector<std::string> env;        ///< "KEY=value", besides the usual ones
  std::vector<std::string> arguments;  ///< behind the command
  Channel channel = Channel::kStdio;
  StderrTo stderr_to = StderrTo::kPipe;
  bool hello = true;
  bool by_hand = false;  ///< without any WORKMAN variable
  int own_stdin = -1;
};

/// A worker under test, its daemon being the kit. Every wait has a limit.
class Subject {
 public:
  Subject(const KitOptions& options, const Setup& setup);

  WorkerTalk& talk() { return *talk_; }
  /// Waits for `ready`, skipping what is no message, and checks it; once.
  const workman::protocol::Ready& AwaitReady();
  [[nodiscard]] const workman::protocol::Ready& ready() const { return ready_; }
  [[nodiscard]] const std::string& ready_line() const { return ready_line_; }
  [[nodiscard]] bool Announces(std::string_view task) const;

  /// Sends text as it is; it is kept for the report.
  void Send(const std::string& text);
  void CloseInput();
  void Signal(int signo, std::string_view name);
  /// Sends a job and returns its id. `args` is raw JSON.
  std::string Job(std::string_view task, std::string_view args);
  /// The line of a job, and its id.
  struct Line {
    std::string id;
    std::string text;
  };
  static Line JobLine(std::string_view task, std::string_view args, bool binary = false);

  /// The next message, `limit` from now at the latest. What is no message fails the case.
  Said Next(Duration limit, std::string_view what);
  /// As Next, and nothing when the worker's output has ended.
  std::optional<Said> NextOrEnd(Duration limit, std::string_view what);
  /// The outcome of this job. Notes about it (progress, data) are collected, `log` and `heartbeat`
  /// skipped; anything else fails the case.
  Said Outcome(const std::string& id, Duration limit, std::vector<Said>* notes = nullptr);
  Said Outcome(const std::string& id);
  /// The first progress of this job: its task runs.
  void Begun(const std::string& id);
  /// Outcome, which must be `done`.
  Said Done(const std::string& id);
  Said Done(const std::string& id, Duration limit);
  /// Sends a job and returns its `done`.
  Said Call(std::string_view task, std::string_view args);
  /// Listens for so long: only `log` and `heartbeat` may come.
  void Silence(Duration length, std::string_view sentence);
  /// Lets time pass and goes on reading.
  void Pass(Duration length);
  /// Waits for the end of the process. Outcomes that come until then are returned in order.
  std::vector<Said> End(Duration limit);
  /// End with status 0, and no outcome until then.
  void EndsWell(Duration limit, std::string_view after);
  [[nodiscard]] const WorkerEnd& end() const { return *talk_->end(); }
  /// Waits for text on stderr, up to the end of the worker.
  bool StderrHas(std::string_view text, Duration limit);

  /// "step" and "boot" of docs/cli.md, with the user's patience.
  [[nodiscard]] Duration Scaled(Duration length) const { return length * options_.patience; }
  [[nodiscard]] Duration step() const;
  [[nodiscard]] Duration boot() const;
  /// What went to and fro, newest last, for the report.
  [[nodiscard]] std::vector<std::string> Report();

 private:
  void Keep(std::string_view mark, std::string_view text);
  std::optional<Said> Classify(std::string line);
  [[noreturn]] void FailForSilence(std::string_view what);
  std::string HowItEnded();

  const KitOptions& options_;
  std::unique_ptr<WorkerTalk> talk_;
  workman::protocol::Ready ready_;
  std::string ready_line_;
  std::vector<std::string> report_;
};

/// What a case is given.
class Bench {
 public:
  explicit Bench(const KitOptions& options) : options_(options) {}

  [[nodiscard]] const KitOptions& options() const { return options_; }
  /// A fresh worker. The one before has been ended.
  Subject& Start(const Setup& setup = {});
  /// A fresh worker that is ready, and announces these tasks.
  Subject& Boot(std::initializer_list<std::string_view> tasks = {}, const Setup& setup = {});

  /// The worker that was started last.
  Subject& Last() { return *subject_; }

  /// The task that succeeds, its arguments, and whether it returns what it is given.
  [[nodiscard]] const std::string& task() const { return options_.task; }
  [[nodiscard]] std::string args() const { return options_.args.value_or(R"({"kit":1})"); }
  [[nodiscard]] bool echoes() const { return !options_.args; }
  /// Fails the case when this `done` of task() is not what `args` (raw) must give.
  void ExpectResult(const Said& done, std::string_view args) const;

  /// What a passing case has found out.
  void Remark(std::string text) { remark_ = std::move(text); }
  [[nodiscard]] const std::string& remark() const { return remark_; }
  [[nodiscard]] std::vector<std::string> Report();

 private:
  const KitOptions& options_;
  std::unique_ptr<Subject> subject_;
  std::string remark_;
};

enum class Level { kMust, kRobust, kSdk, kReport };

struct Case {
  int number;
  std::string_view name;
  Level level;
  void (*run)(Bench&);
  std::string_view advice;  ///< what the author of the worker should do
};

std::span<const Case> BootCases();         ///< 1 to 6
std::span<const Case> JobCases();          ///< 7 to 21
std::span<const Case> RobustCases();       ///< 22 to 28
std::span<const Case> PrintCases();        ///< 29 to 33
std::span<const Case> SignalCases();       ///< 34 to 42, and 40b as 56
std::span<const Case> ResultCases();       ///< 43 to 49
std::span<const Case> WholeWorkerCases();  ///< 50 to 55

}  // namespace workmand::cli
