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

/// A worker has no more than so many lines taken in a turn of the loop, so that one that floods us
/// cannot starve the others.
constexpr int kLinesPerTurn = 64;

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
  if (!worker.backlog.empty()) {  // Its pipe is not watched: this is what an ended child left.
    worker.backlog.append(bytes);
    return;
  }
  worker.backlog = ReadLines(worker, bytes, kLinesPerTurn);
  AfterReading(worker);
  PassOn(worker);
}

/// A worker that has answered gets its next job at once, so that it works while we read what the
/// others say. Only jobs are passed on here: whatever else there is to do waits for the turn's end.
void Supervisor::PassOn(WorkerProcess& worker) {
  if (!worker.child->alive() || !core_->outbox().actions.empty() || !deferred_.empty()) return;
  core_->Dispatch(loop_.Now());
  if (core_->outbox().actions.empty()) return;
  Execute();
  FlushDirty();
}

std::string_view Supervisor::ReadLines(WorkerProcess& worker, std::string_view bytes, int most) {
  int lines = 0;
  const std::string_view rest = worker.out.Feed(bytes, [&](const proto::Line& line) {
    OnLine(worker, line);
    return most == kAllLines || (++lines < most && !worker.unread);
  });
  // The rest of a line that is too long never becomes a line, and yet is garbage.
  if (worker.out.overflowing() && worker.out.partial().front() != '{') {
    CountNoise(worker, bytes.size() - rest.size(), 0, worker.out.partial());
  }
  return rest;
}

/// The pipe is watched only while nothing of it waits here.
void Supervisor::AfterReading(WorkerProcess& worker) {
  const bool waits = !worker.backlog.empty();
  worker.child->PauseReading(waits || worker.unread);
  if (waits && !worker.unread) backlog_timer_->Set(loop_.Now());
}

void Supervisor::OnBacklog() {
  for (const auto& worker : workers_) {
    if (worker == nullptr || worker->child == nullptr) continue;
    if (worker->unread || worker->backlog.empty()) continue;
    const std::string bytes = std::exchange(worker->backlog, {});
    worker->backlog = ReadLines(*worker, bytes, kLinesPerTurn);
    AfterReading(*worker);
  }
}

void Supervisor::ReadRest(WorkerProcess& worker) {
  const std::string bytes = std::exchange(worker.backlog, {});
  (void)ReadLines(worker, bytes, kAllLines);
  if (const auto residue = worker.out.Finish()) OnLine(worker, *residue);
}

void Supervisor::OnLine(WorkerProcess& worker, const proto::Line& line) {
  if (line.overflow) {
    OnOverflow(worker, line.text);
    return;
  }
  const proto::Decoded decoded = proto::Decode(line.text);
  std::visit(
      Overloaded{[&](const proto::FromWorker& message) { OnMessage(worker, message, line.text); },
                 [&](const proto::Foreign&) { OnForeign(worker, line.text); },
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
  std::visit(
      Overloaded{
          [&](const proto::Ready& ready) { OnReady(worker, ready, line); },
          [&](const proto::Done& done) {
            std::string scratch;
            report.kind = Outcome::kDone;
            report.bytes = ToQueueBytes(done.result, worker.profile->payload, scratch);
            OnOutcome(worker, done.id, report, done.enqueue, line);
          },
          [&](const proto::Fail& fail) {
            const std::string text = proto::ErrorMessage(fail.error);
            report.kind = Outcome::kFail;
            std::string scratch;
            report.bytes = proto::ShortenError(fail.error, kLongestError, scratch);
            report.message = text;
            report.retry = fail.retry;
            report.delay = ToDuration(fail.delay_ms);
            OnOutcome(worker, fail.id, report, fail.enqueue, line);
          },
          [&](const proto::Abort& abort) {
            report.kind = Outcome::kAbort;
            report.message = abort.reason;
            report.requeue = abort.requeue;
            report.delay = ToDuration(abort.delay_ms);
            OnOutcome(worker, abort.id, report, abort.enqueue, line);
          },
          [&](const proto::Progress& progress) { OnProgress(worker, progress, line); },
          [&](const proto::Data& data) { OnData(worker, data, line); },
          [&](const proto::Log& entry) { OnWorkerLog(worker, entry); },
          [&](const proto::Heartbeat& beat) {
            const TimePoint now = loop_.Now();
            if (!core_->OnHeartbeat(worker.slot, beat.id, Duration{beat.extend_ms}, now)) {
              UnknownJob(worker, "a heartbeat", line);
            }
          },
          [&](const proto::EnqueueRequest& request) { OnWorkerEnqueue(worker, request, line); },
          [&](const proto::Retire& retire) {
            log::Info("worker retires", {{"worker", worker.name}, {"why", retire.reason}});
            core_->OnRetire(worker.slot, loop_.Now());
          },
          [&](const proto::Pong& pong) { OnPong(worker, pong, line); }},
      message);
}

void Supervisor::OnReady(WorkerProcess& worker, const proto::Ready& ready, std::string_view line) {
  auto announced = std::make_shared<Announcement>();
  announced->any_task = ready.any_task;
  for (const proto::AnnouncedTask& task : ready.tasks) {
    announced->tasks.emplace(task.name, ToAnnouncement(task));
  }
  announced->handles_term = ready.handles_term;
  announced->handles_abort = ready.handles_abort;
  const auto uses = [&ready](std::string_view feature) {
    return std::find(ready.features.begin(), ready.features.end(), feature) != ready.features.end();
  };
  announced->cancel = uses("cancel");
  announced->concurrency = static_cast<int>(ready.concurrency);
  announced->prefetch = static_cast<int>(ready.prefetch);
  const std::size_t tasks = announced->tasks.size();
  switch (core_->OnReady(worker.slot, std::move(announced), loop_.Now())) {
    case Core::ReadyIs::kFirst: break;
    case Core::ReadyIs::kSecond:
      Violate(worker, "V12", "a second ready", line, Weight::kScored);
      return;
    case Core::ReadyIs::kTooLate:
      worker.start_note = "worker does not flush its stdout: ready came only at end of file";
      Violate(worker, "V03", worker.start_note, line, Weight::kCounted);
      return;
    case Core::ReadyIs::kUnwanted: return;
  }
  if (ready.clamped) {
    Violate(worker, "V20", "concurrency or prefetch is out of range and was clamped", line,
            Weight::kCounted);
  }
  if (ready.zygote) {
    Violate(worker, "V15", "zygote was not offered", line, Weight::kScored);
  }
  if (ready.max_line > 0) {
    worker.max_line = std::min(worker.max_line, static_cast<std::size_t>(ready.max_line));
  }
  if (uses("ping")) StartPinging(worker);
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
                           std::string_view enqueue, std::string_view line) {
  std::string why;
  if (!enqueue.empty()) {
    std::vector<proto::JobSpec> specs;
    if (!proto::ReadJobSpecs(enqueue, specs, why)) {
      const bool live = core_->slot(worker.slot).Find(id) != nullptr;
      Violate(worker, "V08", why, line, live ? Weight::kSevere : Weight::kScored);
      return;
    }
    for (proto::JobSpec& spec : specs) report.enqueue.push_back(ToEnqueue(spec));
  }
  if (log::Enabled(log::Level::kDebug) && report.kind == Outcome::kDone) {
    log::Debug("job done", {{"worker", worker.name}, {"job", JobOf(worker)}});
  }
  const std::size_t before = core_->outbox().updates.size();
  switch (core_->OnOutcome(worker.slot, id, report, loop_.Now())) {
    case Core::OutcomeIs::kSettled:
      worker.pong_by = kNever;  // It has read the job, and so what came before it.
      TrackUpdates(worker, before);
      return;
    case Core::OutcomeIs::kUnknown: UnknownJob(worker, "an outcome", line); return;
    case Core::OutcomeIs::kBeforeReady:
      worker.unusable = "sent an outcome before ready";
      Violate(worker, "V13", worker.unusable, line, Weight::kSevere);
      return;
  }
}

}  // namespace workmand
