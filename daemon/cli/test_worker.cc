#include "daemon/cli/test_worker.h"

#include <algorithm>
#include <string_view>

#include "daemon/cli/kit.h"

namespace workmand::cli {
namespace {

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto part : {BootCases(), JobCases(), RobustCases(), PrintCases(), SignalCases(),
                          ResultCases(), WholeWorkerCases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  // TAP wants them in order.
  std::ranges::sort(all, {}, &Case::number);
  return all;
}

/// "40b" is what others call the case that TAP has to call 56.
bool Names(const std::set<std::string>& words, const Case& one) {
  constexpr int kAbortRace = 56;
  return words.contains(std::to_string(one.number)) || words.contains(std::string(one.name)) ||
         (one.number == kAbortRace && words.contains("40b"));
}

/// The words that are no case's number or name.
std::string Unknown(const std::set<std::string>& words, const std::vector<Case>& cases) {
  for (const std::string& word : words) {
    const std::set<std::string> one = {word};
    if (std::ranges::none_of(cases, [&one](const Case& c) { return Names(one, c); })) return word;
  }
  return {};
}

class Run {
 public:
  explicit Run(const KitOptions& options) : options_(options) {}

  /// kOk when all that count have passed. Throws BailOut.
  ExitCode All(const std::vector<Case>& cases);

 private:
  void One(const Case& one);
  void NotOk(const Case& one, Bench& bench, const std::string& why);
  [[nodiscard]] std::string WhyNotRun(const Case& one) const;
  [[nodiscard]] std::string Excuse(const Case& one) const;
  void CheckTask(Bench& bench);
  void Print(const std::string& line) {
    if (PrintLine(line) != ExitCode::kOk) throw BailOut("stdout takes nothing");
  }

  const KitOptions& options_;
  int never_ready_ = 0;
  bool failed_ = false;
};

std::string Run::WhyNotRun(const Case& one) const {
  if (!options_.only.empty() && !Names(options_.only, one)) return "not chosen";
  if (one.level == Level::kSdk && !options_.fixture) return "needs --fixture";
  return {};
}

/// Behind a failure that does not count: TAP's word for it, and why.
std::string Run::Excuse(const Case& one) const {
  if (Names(options_.expected_failures, one)) return " # TODO expected failure";
  if (one.level == Level::kRobust && !options_.sdk) return " # TODO a worker should, an SDK must";
  return {};
}

void Run::NotOk(const Case& one, Bench& bench, const std::string& why) {
  const std::string excuse = Excuse(one);
  failed_ = failed_ || excuse.empty();
  Print("not ok " + std::to_string(one.number) + " - " + std::string(one.name) + excuse);
  Print("# " + why);
  for (const std::string& line : bench.Report()) Print("#   " + line);
  Print("# " + std::string(one.advice));
}

void Run::One(const Case& one) {
  const std::string title = std::to_string(one.number) + " - " + std::string(one.name);
  if (const std::string why = WhyNotRun(one); !why.empty()) {
    return Print("ok " + title + " # SKIP " + why);
  }
  Bench bench(options_);
  try {
    one.run(bench);
    Print("ok " + title);
    if (!bench.remark().empty()) Print("# " + bench.remark());
  } catch (const CaseSkipped& skipped) {
    Print("ok " + title + " # SKIP " + skipped.what());
  } catch (const NeverReady& failure) {
    ++never_ready_;
    NotOk(one, bench, failure.what());
  } catch (const CaseFailed& failure) {
    NotOk(one, bench, failure.what());
  }
}

/// Without a task whose jobs succeed nothing can be tried.
void Run::CheckTask(Bench& bench) {
  const Subject& subject = bench.Boot();
  if (subject.Announces(options_.task)) return;
  std::string names;
  for (const auto& task : subject.ready().tasks) names += (names.empty() ? "" : ", ") + task.name;
  throw BailOut("the worker announces no task " + options_.task +
                "; choose one whose jobs succeed with --task and --args: " + names);
}

ExitCode Run::All(const std::vector<Case>& cases) {
  constexpr int kReadyFlushed = 3;  // the last of the cases that are about ready alone
  constexpr int kLastBootCase = 6;
  Print("TAP version 13");
  Print("1.." + std::to_string(cases.size()));
  bool checked = false;
  for (const Case& one : cases) {
    if (!checked && one.number > kLastBootCase && WhyNotRun(one).empty() && never_ready_ == 0) {
      Bench bench(options_);
      try {
        CheckTask(bench);
        checked = true;
      } catch (const CaseFailed&) {
        // The case will say so.
      }
    }
    One(one);
    // The third tells why; the rest would only wait again.
    if (one.number == kReadyFlushed && never_ready_ >= 2) {
      throw BailOut("the worker never gets ready");
    }
  }
  return failed_ ? ExitCode::kFailed : ExitCode::kOk;
}

}  // namespace

ExitCode RunTestWorker(const KitOptions& options) {
  const std::vector<Case> cases = AllCases();
  for (const std::set<std::string>& words : {options.only, options.expected_failures}) {
    if (const std::string unknown = Unknown(words, cases); !unknown.empty()) {
      Complain("there is no case " + unknown);
      return ExitCode::kUsage;
    }
  }
  try {
    return Run(options).All(cases);
  } catch (const BailOut& why) {
    (void)PrintLine("Bail out! " + std::string(why.what()));
    return ExitCode::kFailed;
  }
}

}  // namespace workmand::cli
