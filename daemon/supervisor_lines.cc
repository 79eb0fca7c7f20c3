// What workers say on stdout.
#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

/// How much of an offending line the log quotes.
constexpr std::size_t kQuoted = 200;
/// Garbage before `ready` beyond this is a failure to start; after it, the worker is retired.
constexpr std::uint64_t kMostGarbage = 1000;

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::optional<Duration> ToDuration(std::optional<std::int64_t> ms) {
  if (!ms) return std::nullopt;
  return Duration{*ms};
}

TaskAnnouncement ToAnnouncement(const proto::AnnouncedTask& task) {
  TaskAnnouncement out;
  out.time_limit = ToDuration(task.timeout_ms);
  if (task.max_attempts) out.max_attempts = static_cast<int>(*task.max_attempts);
  if (task.backoff) {
    RetryBackoff backoff;
    backoff.min = Duration{task.backoff->base_ms};
    backoff.max = Duration{task.backoff->max_ms > 0 ? task.backoff->max_ms : 600'000};
    backoff.factor = task.backoff->exponential ? 2 : 1;
    backoff.jitter = task.backoff->jitter;
    out.retry = backoff;
  }
  if (task.on_abort == "fail") out.on_abort = TaskAnnouncement::OnAbort::kFail;
  if (task.on_abort == "drop") out.on_abort = TaskAnnouncement::OnAbort::kDrop;
  out.stall = ToDuration(task.stall_ms);
  if (task.limit) out.limit = static_cast<int>(*task.limit);
  return out;
}

Enqueue ToEnqueue(proto::JobSpec& spec) {
  Enqueue job;
  job.task = std::move(spec.task);
  job.payload = std::move(spec.args);
  job.unique = std::move(spec.unique);
  job.priority = ParsePriority(spec.priority).value_or(Priority::kNormal);
  job.delay = Duration{spec.delay_ms};
  job.max_attempts = static_cast<int>(spec.max_attempts);
  return job;
}

}  // namespace

std::string Supervisor::JobOf(const WorkerProcess& worker) {
  const Slot& slot = core_->slot(worker.slot);
  return slot.in_flight.empty() ? "" : slot.in_flight.front().job.get().id;
}

void Supervisor::OnStdout(WorkerProcess& worker, std::string_view bytes) {
  worker.out.Feed(bytes, [&](const proto::Line& line) {
    OnLine(worker, line);
    return true;
  });
}

void Supervisor::OnLine(WorkerProcess& worker, const proto::Line& line) {
  if (line.overflow) {
    OnOverflow(worker, line.text);
    return;
  }
  const proto::Decoded decoded = proto::Decode(line.text);
  std::visit(
      Overloaded{[&](const proto::FromWorker& message) { OnMessage(worker, message, line.text); },
                 [&](const proto::Foreign&) {
                   log::Info("worker stdout", {{"worker", worker.name},
                                               {"job", JobOf(worker)},
                                               {"line", line.text.substr(0, kQuoted)}});
                 },
                 [&](const proto::Garbage& garbage) {
                   OnGarbage(worker, line.text, garbage.starts_like_object, garbage.why);
                 },
                 [&](const proto::Malformed& bad) { OnMalformed(worker, bad, line.text); },
                 [](const proto::Blank&) {}},
      decoded);
}

void Supervisor::OnMessage(WorkerProcess& worker, const proto::FromWorker& message,
                           std::string_view line) {
  OutcomeReport report;
  const auto unknown = [&](std::string_view what) {
    Violate(worker, "V09", std::string(what) + " for a job that is not in flight here", line,
            Weight::kScored);
  };
  std::visit(
      Overloaded{[&](const proto::Ready& ready) { OnReady(worker, ready); },
                 [&](const proto::Done& done) {
                   std::string scratch;
                   report.kind = Outcome::kDone;
                   report.bytes = ToQueueBytes(done.result, worker.profile->payload, scratch);
                   OnOutcome(worker, done.id, report, done.enqueue);
                 },
                 [&](const proto::Fail& fail) {
                   const std::string text = proto::ErrorMessage(fail.error);
                   report.kind = Outcome::kFail;
                   report.bytes = fail.error;
                   report.message = text;
                   report.retry = fail.retry;
                   report.delay = ToDuration(fail.delay_ms);
                   OnOutcome(worker, fail.id, report, fail.enqueue);
                 },
                 [&](const proto::Abort& abort) {
                   report.kind = Outcome::kAbort;
                   report.message = abort.reason;
                   report.requeue = abort.requeue;
                   report.delay = ToDuration(abort.delay_ms);
                   OnOutcome(worker, abort.id, report, abort.enqueue);
                 },
                 [&](const proto::Progress& progress) { OnProgress(worker, progress); },
                 [&](const proto::Data& data) { OnData(worker, data); },
                 [&](const proto::Log& entry) { OnWorkerLog(worker, entry); },
                 [&](const proto::Heartbeat& beat) {
                   const TimePoint now = loop_.Now();
                   if (!core_->OnHeartbeat(worker.slot, beat.id, Duration{beat.extend_ms}, now)) {
                     unknown("heartbeat");
                   }
                 },
                 [&](const proto::EnqueueRequest& request) { OnWorkerEnqueue(worker, request); },
                 [&](const proto::Retire& retire) {
                   log::Info("worker retires", {{"worker", worker.name}, {"why", retire.reason}});
                   core_->OnRetire(worker.slot, loop_.Now());
                 },
                 [&](const proto::Pong&) {}},
      message);
}

void Supervisor::OnReady(WorkerProcess& worker, const proto::Ready& ready) {
  auto announced = std::make_shared<Announcement>();
  announced->any_task = ready.any_task;
  for (const proto::AnnouncedTask& task : ready.tasks) {
    announced->tasks.emplace(task.name, ToAnnouncement(task));
  }
  announced->handles_term = ready.handles_term;
  announced->handles_abort = ready.handles_abort;
  announced->cancel =
      std::find(ready.features.begin(), ready.features.end(), "cancel") != ready.features.end();
  announced->concurrency = static_cast<int>(ready.concurrency);
  announced->prefetch = static_cast<int>(ready.prefetch);
  const std::size_t tasks = announced->tasks.size();
  switch (core_->OnReady(worker.slot, std::move(announced), loop_.Now())) {
    case Core::ReadyIs::kFirst: break;
    case Core::ReadyIs::kSecond:
      Violate(worker, "V12", "a second ready", "", Weight::kScored);
      return;
    case Core::ReadyIs::kTooLate:
      worker.start_note = "worker does not flush its stdout: ready came only at end of file";
      Violate(worker, "V03", worker.start_note, "", Weight::kCounted);
      return;
    case Core::ReadyIs::kUnwanted: return;
  }
  if (ready.clamped) {
    Violate(worker, "V20", "concurrency or prefetch is out of range and was clamped", "",
            Weight::kCounted);
  }
  log::Info("worker ready", {{"worker", worker.name},
                             {"pid", worker.child->pid()},
                             {"generation", core_->slot(worker.slot).generation.value},
                             {"tasks", tasks},
                             {"sdk", ready.sdk_name}});
  if (ready.pid != 0 && ready.pid != worker.child->pid()) {
    log::Warn("worker pid differs",
              {{"worker", worker.name},
               {"announced", ready.pid},
               {"pid", worker.child->pid()},
               {"why", "a wrapper must exec the worker, or signals reach the wrapper only"}});
  }
}

void Supervisor::OnOutcome(WorkerProcess& worker, std::string_view id, OutcomeReport& report,
                           std::string_view enqueue) {
  std::string why;
  if (!enqueue.empty()) {
    std::vector<proto::JobSpec> specs;
    if (!proto::ReadJobSpecs(enqueue, specs, why)) {
      Violate(worker, "V08", why, enqueue, Weight::kSevere);
      return;
    }
    for (proto::JobSpec& spec : specs) report.enqueue.push_back(ToEnqueue(spec));
  }
  if (log::Enabled(log::Level::kDebug) && report.kind == Outcome::kDone) {
    log::Debug("job done", {{"worker", worker.name}, {"job", JobOf(worker)}});
  }
  switch (core_->OnOutcome(worker.slot, id, report, loop_.Now())) {
    case Core::OutcomeIs::kSettled: return;
    case Core::OutcomeIs::kUnknown:
      Violate(worker, "V09", "an outcome for a job that is not in flight here", id,
              Weight::kScored);
      return;
    case Core::OutcomeIs::kBeforeReady:
      worker.unusable = "sent an outcome before ready";
      Violate(worker, "V13", worker.unusable, id, Weight::kSevere);
      return;
  }
}

void Supervisor::OnMalformed(WorkerProcess& worker, const proto::Malformed& bad,
                             std::string_view line) {
  if (bad.type == "ready") {
    if (core_->slot(worker.slot).state == State::kBooting) {
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
  } else {
    Violate(worker, "V08", bad.why, line, bad.terminal && live ? Weight::kSevere : Weight::kScored);
  }
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
  const bool strict = worker.profile->stdout_garbage == GarbagePolicy::kStrict;
  Violate(worker, like_object ? "V05" : "V04", why, line,
          strict ? Weight::kSevere : Weight::kCounted);
  ++worker.garbage_lines;
  if (strict) {
    if (!slot.ever_ready) worker.unusable = "wrote something else than messages to its stdout";
  } else if (worker.garbage_lines == kMostGarbage + 1) {
    if (slot.state == State::kBooting) {
      core_->OnForce(worker.slot, Cause::kViolation, loop_.Now());
    } else {
      core_->OnRetire(worker.slot, loop_.Now());
    }
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
  const std::string error = proto::MakeError(
      "result_too_large",
      "the result does not fit max_line (" + std::to_string(worker.profile->max_line) + " bytes)");
  OutcomeReport report;
  report.kind = Outcome::kFail;
  report.bytes = error;
  report.message = "the result does not fit max_line";
  report.retry = false;
  (void)core_->OnOutcome(worker.slot, DeliveryId(whose->id).view(), report, loop_.Now());
}

void Supervisor::Violate(WorkerProcess& worker, std::string_view code, std::string_view why,
                         std::string_view line, Weight weight) {
  ++violations_[std::string(code)];
  const bool tolerated = weight == Weight::kCounted && (code == "V04" || code == "V05");
  log::Warn(tolerated ? "worker stdout" : "violation", {{"worker", worker.name},
                                                        {"job", JobOf(worker)},
                                                        {"code", code},
                                                        {"why", why},
                                                        {"line", line.substr(0, kQuoted)}});
  core_->OnViolation(worker.slot, weight == Weight::kSevere, weight == Weight::kScored,
                     loop_.Now());
}

}  // namespace workmand
