// What workers should not write: damage, garbage, floods. Each has a code, a counter and a line in
// the log; the weight says what becomes of the worker. docs/protocol.md, "Violations".
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

/// Lines and bytes of garbage before `ready` beyond these are a failure to start; so many lines
/// after it retire the worker.
constexpr std::uint64_t kMostGarbage = 1000;

}  // namespace

void Supervisor::OnMalformed(WorkerProcess& worker, const proto::Malformed& bad,
                             std::string_view line) {
  const Slot& slot = core_->slot(worker.slot);
  if (bad.type == "ready") {
    if (slot.state == State::kBooting) {
      worker.unusable = "its ready is invalid: " + bad.why;
      Violate(worker, "V02", bad.why, line, Weight::kSevere);
    } else {
      Violate(worker, "V12", bad.why, line, Weight::kScored);
    }
    return;
  }
  const bool live = core_->slot(worker.slot).Find(bad.id) != nullptr;
  if (bad.terminal && bad.id.empty()) {
    Violate(worker, "V10", bad.why, line, Weight::kScored);
  } else if (bad.not_offered) {
    Violate(worker, "V15", bad.why, line, Weight::kScored);
    // The next try would do the same, and there is nothing else to be had of this one.
    if (bad.terminal && live) FailForGood(worker, bad.id, "feature_not_offered", bad.why);
  } else {
    Violate(worker, "V08", bad.why, line, bad.terminal && live ? Weight::kSevere : Weight::kScored);
  }
  Reply(worker, bad.ref, false, bad.why);
}

void Supervisor::OnGarbage(WorkerProcess& worker, std::string_view line, bool like_object,
                           std::string_view why) {
  const Slot& slot = core_->slot(worker.slot);
  if (!slot.in_flight.empty()) {
    std::vector<std::string_view> live;
    for (const Delivery& one : slot.in_flight) live.push_back(one.id.view());
    const proto::Salvage found = proto::FindOutcome(line, live);
    if (!found.message.empty()) {
      const proto::Decoded decoded = proto::Decode(found.message);
      if (const auto* message = std::get_if<proto::FromWorker>(&decoded)) {
        log::Warn("outcome salvaged", {{"worker", worker.name},
                                       {"job", JobOf(worker)},
                                       {"why", "other output stood before it on the line (glued)"},
                                       {"line", line.substr(0, kQuoted)}});
        OnMessage(worker, *message, found.message);
        return;
      }
    }
    if (found.damaged) {
      Violate(worker, "V07", "a damaged outcome", line, Weight::kSevere);
      return;
    }
  }
  if (worker.first_garbage.empty()) worker.first_garbage = line.substr(0, kQuoted);
  const bool strict = worker.profile->stdout_garbage == GarbagePolicy::kStrict;
  if (strict && !slot.ever_ready) {
    worker.unusable = "wrote something else than messages to its stdout";
  }
  Violate(worker, like_object ? "V05" : "V04", why, line,
          strict ? Weight::kSevere : Weight::kCounted);
  ++worker.garbage_lines;
  if (!strict && worker.garbage_lines == kMostGarbage + 1) {
    if (slot.state == State::kBooting) {
      worker.start_note = "wrote more than 1000 lines to its stdout that are no messages";
      core_->OnForce(worker.slot, Cause::kViolation, loop_.Now());
    } else {
      core_->OnRetire(worker.slot, loop_.Now());
    }
  }
  CountNoise(worker, line.size(), 1, line);
}

void Supervisor::CountNoise(WorkerProcess& worker, std::size_t bytes, std::size_t lines,
                            std::string_view line) {
  if (!worker.flood.Add(bytes, lines, loop_.Now())) return;
  const bool again = std::exchange(worker.flooded, true);
  Violate(worker, "V18", again ? "floods its stdout still" : "floods its stdout", line,
          again ? Weight::kSevere : Weight::kCounted);
  if (again) return;
  if (core_->slot(worker.slot).state == State::kBooting) {
    worker.start_note = "floods its stdout with what are no messages";
    core_->OnForce(worker.slot, Cause::kViolation, loop_.Now());
  } else {
    core_->OnRetire(worker.slot, loop_.Now());
  }
}

void Supervisor::OnOverflow(WorkerProcess& worker, std::string_view kept) {
  if (kept.empty() || kept.front() != '{') {
    OnGarbage(worker, kept, false, "a line longer than max_line");
    return;
  }
  Violate(worker, "V06", "a message longer than max_line", kept, Weight::kCounted);
  // Whose outcome it was stands in what was kept, or it can only be the one job in flight.
  Slot& slot = core_->slot(worker.slot);
  const Delivery* whose = slot.in_flight.size() == 1 ? slot.in_flight.data() : nullptr;
  for (const Delivery& one : slot.in_flight) {
    if (kept.find(one.id.view()) != std::string_view::npos) whose = &one;
  }
  core_->OnRetire(worker.slot, loop_.Now());
  if (whose == nullptr) return;
  FailForGood(
      worker, DeliveryId(whose->id).view(), "result_too_large",
      "the result does not fit max_line (" + std::to_string(worker.profile->max_line) + " bytes)");
}

void Supervisor::UnknownJob(WorkerProcess& worker, std::string_view what, std::string_view line) {
  Violate(worker, "V09", std::string(what) + " for a job that is not in flight here", line,
          Weight::kScored);
}

void Supervisor::FailForGood(WorkerProcess& worker, std::string_view id, std::string_view code,
                             std::string_view why) {
  const std::string error = proto::MakeError(code, why);
  OutcomeReport report;
  report.kind = Outcome::kFail;
  report.bytes = error;
  report.message = why;
  report.retry = false;
  (void)core_->OnOutcome(worker.slot, id, report, loop_.Now());
}

void Supervisor::Violate(WorkerProcess& worker, std::string_view code, std::string_view why,
                         std::string_view line, Weight weight) {
  const bool severe = weight == Weight::kSevere;
  const bool tolerated = !severe && (code == "V04" || code == "V05");
  // What ends a worker is always said; of the rest a flood must not fill the log.
  if (severe || Admit(worker, worker.noise_budget, dropped_.log)) {
    log::Warn(tolerated ? "worker stdout" : "violation", {{"worker", worker.name},
                                                          {"job", JobOf(worker)},
                                                          {"code", code},
                                                          {"why", why},
                                                          {"line", line.substr(0, kQuoted)}});
  }
  ++violations_[std::string(code)];
  if (weight == Weight::kCounted) return;
  if (severe && worker.broke.empty()) worker.broke = std::string(code) + ": " + std::string(why);
  core_->OnViolation(worker.slot, severe, !severe, loop_.Now());
}

void Supervisor::CountViolation(std::string_view code, std::vector<log::Field> fields) {
  ++violations_[std::string(code)];
  fields.insert(fields.begin(), log::Field{"code", code});
  log::Write(log::Level::kWarn, "violation", fields);
}

}  // namespace workmand
