#include "daemon/queue/conformance.h"

#include <algorithm>
#include <array>

#include "daemon/queue/conformance/kit.h"

namespace workmand {
namespace {

using conformance::Bench;
using conformance::Case;
using conformance::Control;

struct CapName {
  Cap cap;
  const char* name;
};
constexpr auto kCapNames = std::to_array<CapName>({
    {Cap::kWait, "wait"},
    {Cap::kForeground, "foreground"},
    {Cap::kPriority, "priority"},
    {Cap::kUnique, "unique"},
    {Cap::kDelay, "delay"},
    {Cap::kAttempts, "attempts"},
    {Cap::kMaxAttempts, "max_attempts"},
    {Cap::kRetryDelay, "retry delay"},
    {Cap::kAbortDelay, "abort delay"},
    {Cap::kHoldSurvives, "hold survives"},
    {Cap::kLease, "lease"},
    {Cap::kProgress, "progress"},
    {Cap::kPartialData, "partial data"},
    {Cap::kDurable, "durable"},
    {Cap::kDeadLetter, "dead letter"},
    {Cap::kInstantRequeue, "instant requeue"},
    {Cap::kOrdered, "ordered"},
    {Cap::kCount, "count"},
    {Cap::kConfirmedAck, "confirmed ack"},
    {Cap::kAtLeastOnce, "at least once"},
    {Cap::kUncountedAbort, "uncounted abort"},
});

std::string Names(std::uint32_t bits) {
  std::string names;
  for (const CapName& cap : kCapNames) {
    if ((bits & static_cast<std::uint32_t>(cap.cap)) == 0) continue;
    names += (names.empty() ? "" : ", ") + std::string(cap.name);
  }
  return names;
}

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto part :
       {conformance::BasicCases(), conformance::WaitingCases(), conformance::CompletionCases(),
        conformance::ForegroundCases(), conformance::OptionCases(), conformance::LeaseCases(),
        conformance::TroubleCases(), conformance::DeathCases(), conformance::WireCases(),
        conformance::SteadyCases(), conformance::CutCases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Case& a, const Case& b) { return a.number < b.number; });
  return all;
}

bool Chosen(const Case& a_case, std::string_view filter) {
  const bool is_number = filter.find_first_not_of("0123456789") == std::string_view::npos;
  if (filter.empty()) return true;
  if (is_number) return filter == std::to_string(a_case.number);
  return a_case.name.find(filter) != std::string_view::npos;
}

std::string WhyNotApplicable(const Case& a_case, const ConformanceFixture& fixture, Caps caps) {
  const std::uint32_t missing = a_case.needs & ~caps.bits;
  if (missing != 0) return "the driver has no " + Names(missing);
  switch (a_case.control) {
    case Control::kNone: return {};
    case Control::kStop:
      return fixture.stop_server && fixture.start_server ? "" : "there is no server to stop";
    case Control::kFreeze:
      return fixture.freeze_server && fixture.thaw_server ? "" : "there is no server to freeze";
    case Control::kProcess: return fixture.helper.empty() ? "no other process sees this queue" : "";
    case Control::kRelay:
      return fixture.server_port != 0 ? ""
                                      : "there is no server on a loopback port to stand before";
  }
  return {};
}

CaseResult RunCase(const Case& a_case, const ConformanceFixture& fixture, Caps caps) {
  CaseResult result;
  result.number = a_case.number;
  result.name = a_case.name;
  result.needs = Names(a_case.needs);
  result.detail = WhyNotApplicable(a_case, fixture, caps);
  if (!result.detail.empty()) {
    result.verdict = Verdict::kNotApplicable;
    return result;
  }
  const conformance::Stopwatch watch;
  try {
    Bench bench(fixture, caps, a_case.number);
    a_case.run(bench);
    result.verdict = Verdict::kPass;
    result.detail = bench.remark();
  } catch (const conformance::DoesNotApply& why) {
    result.verdict = Verdict::kNotApplicable;
    result.detail = why.what();
  } catch (const conformance::CaseFailed& why) {
    result.detail = why.what();
  } catch (const ConnectionLost& lost) {
    result.detail = std::string("connection lost: ") + lost.what();
  } catch (const Rejected& rejected) {
    result.detail = std::string("rejected: ") + rejected.what();
  } catch (const std::exception& error) {
    result.detail = std::string("the driver threw what no driver may: ") + error.what();
  }
  result.took = watch.Elapsed();
  return result;
}

const char* Word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass: return "pass";
    case Verdict::kFail: return "FAIL";
    case Verdict::kNotApplicable: return "n/a ";
  }
  return "";
}

std::string Padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::size_t Count(const std::vector<CaseResult>& results, Verdict verdict) {
  const auto count = std::count_if(results.begin(), results.end(),
                                   [&](const CaseResult& r) { return r.verdict == verdict; });
  return static_cast<std::size_t>(count);
}

}  // namespace

std::vector<CaseResult> RunConformance(const ConformanceFixture& fixture, std::string_view filter) {
  const Caps caps = fixture.open(Role::kConsumer, conformance::kLongLease)->GetCaps();
  std::vector<CaseResult> results;
  for (const Case& a_case : AllCases()) {
    if (Chosen(a_case, filter)) results.push_back(RunCase(a_case, fixture, caps));
  }
  return results;
}

std::string PrintConformance(std::string_view driver, const std::vector<CaseResult>& results) {
  constexpr std::size_t kNameWidth = 50;
  std::string table;
  for (const CaseResult& result : results) {
    table += Padded(std::to_string(result.number), 3) + " " + Word(result.verdict) + " ";
    table += Padded(result.name, kNameWidth);
    table += Padded(std::to_string(result.took.count()) + " ms", 9);
    if (!result.detail.empty()) table += " " + result.detail;
    table += "\n";
  }
  table += std::string(driver) + ": " + std::to_string(Count(results, Verdict::kPass)) +
           " passed, " + std::to_string(Count(results, Verdict::kFail)) + " failed, " +
           std::to_string(Count(results, Verdict::kNotApplicable)) + " not applicable\n";
  return table;
}

bool Passed(const std::vector<CaseResult>& results) {
  return Count(results, Verdict::kFail) == 0 && Count(results, Verdict::kPass) > 0;
}

}  // namespace workmand
