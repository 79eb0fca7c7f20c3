// The control socket: what the operator and producers in any language ask for.
#include <unistd.h>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"

namespace workmand {
namespace {

/// A status waits so long for the queue's own figures.
constexpr Duration kDepthPatience{200};
/// How much of a job's arguments the status shows, where the profile allows it.
constexpr std::size_t kShownArgs = 200;

DaemonState ToState(DaemonPhase phase) {
  switch (phase) {
    case DaemonPhase::kStarting: return DaemonState::kStarting;
    case DaemonPhase::kRunning: return DaemonState::kRunning;
    case DaemonPhase::kDegraded: return DaemonState::kDegraded;
    case DaemonPhase::kPaused: return DaemonState::kPaused;
    case DaemonPhase::kReloading: return DaemonState::kReloading;
    case DaemonPhase::kStopping: return DaemonState::kStopping;
  }
  return DaemonState::kRunning;
}

}  // namespace

void Supervisor::OnRequest(ConnectionId connection, std::string_view line) {
  auto request = ParseRequest(line);
  if (!request) {
    server_->Send(connection, RenderError(request.error().message));
    return;
  }
  switch (request->verb) {
    case Verb::kStatus:
    case Verb::kWorkers:
      status_waiting_.emplace_back(connection, request->verb == Verb::kWorkers);
      pump_->AskDepth();
      if (status_waiting_.size() == 1) status_timer_->Set(After(loop_.Now(), kDepthPatience));
      break;
    case Verb::kPause:
    case Verb::kResume: {
      const bool pause = request->verb == Verb::kPause;
      core_->Pause(pause);
      TellStatus();
      log::Info(pause ? "paused" : "resumed");
      server_->Send(connection, RenderOk());
      break;
    }
    case Verb::kReload: {
      const auto generation = Reload("control socket");
      if (!generation) {
        server_->Send(connection, RenderReload({false, {}, 0, generation.error().message}));
        break;
      }
      reload_waiting_.push_back({connection, *generation});
      if (request->notes) {
        server_->Send(connection, RenderNote("generation " + std::to_string(generation->value) +
                                             ": the first new worker starts"));
      }
      break;
    }
    case Verb::kStop:
      server_->Send(connection, RenderOk());
      Stop("control socket");
      break;
    case Verb::kScale:
      Scale(request->n, "control socket");
      server_->Send(connection, RenderOk());
      break;
    case Verb::kEnqueue: OnEnqueue(connection, std::move(request->enqueue), request->notes); break;
  }
}

void Supervisor::OnDisconnect(ConnectionId connection) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second.connection != connection || connection == 0) {
      ++it;
      continue;
    }
    producer_->Forget(it->first);
    it = waiting_.erase(it);
  }
  std::erase_if(status_waiting_, [&](const auto& one) { return one.first == connection; });
  std::erase_if(reload_waiting_,
                [&](const ReloadWaiter& one) { return one.connection == connection; });
}

Result<Producer*> Supervisor::TheProducer() {
  if (producer_ == nullptr) {
    auto driver = OpenQueue(driver_config_, Role::kProducer);
    if (!driver) return tl::unexpected(driver.error());
    producer_ = std::make_unique<Producer>(std::move(*driver), PumpOptions{},
                                           [this] { producer_async_->Send(); });
  }
  return producer_.get();
}

void Supervisor::OnEnqueue(ConnectionId connection, EnqueueRequest request, bool notes) {
  const auto refuse = [&](std::string_view why) { server_->Send(connection, RenderError(why)); };
  if (stop_step_ > 0) return refuse("the daemon is stopping");
  if (auto fits = FitPayload(request, profile_->payload); !fits)
    return refuse(fits.error().message);
  auto producer = TheProducer();
  if (!producer) return refuse(producer.error().message);
  const std::uint64_t number = next_request_++;
  Waiting& waiting = waiting_[number];
  waiting.connection = connection;
  waiting.wait = request.wait;
  waiting.notes = notes;
  if (request.wait && request.timeout) {
    waiting.timer = std::make_unique<io::Timer>(loop_, [this, number] {
      const auto it = waiting_.find(number);
      server_->Send(it->second.connection,
                    RenderResult({it->second.id, Reply::State::kTimeout, ""}));
      producer_->Forget(number);
      waiting_.erase(it);
    });
    waiting.timer->Set(After(loop_.Now(), *request.timeout));
  }
  (*producer)->Put(number, std::move(request.job));
}

void Supervisor::OnProducer() {
  if (producer_ == nullptr) return;
  std::vector<Producer::Done> all;
  producer_->Drain(all);
  for (Producer::Done& done : all) {
    const auto it = waiting_.find(done.request);
    if (it == waiting_.end()) continue;
    Waiting& waiting = it->second;
    if (done.put) {
      const bool ok = done.put->error.empty();
      waiting.id = done.put->id;
      if (waiting.connection == 0) AnswerWorker(waiting, ok, done.put->error);
      if (waiting.connection != 0) {
        if (!ok) server_->Send(waiting.connection, RenderError(done.put->error));
        if (ok && !waiting.wait) server_->Send(waiting.connection, RenderEnqueued(waiting.id));
        if (ok && waiting.wait && waiting.notes) {
          server_->Send(waiting.connection, RenderNote("enqueued", waiting.id));
        }
      }
      if (!ok || !waiting.wait) {
        waiting_.erase(it);
        continue;
      }
    }
    if (!done.reply) continue;
    server_->Send(waiting.connection, RenderResult(*done.reply));
    waiting_.erase(it);
  }
}

void Supervisor::AnswerWorker(const Waiting& waiting, bool ok, std::string_view why) {
  WorkerProcess* worker = Find(waiting.slot);
  if (worker == nullptr || core_->slot(waiting.slot).life != waiting.life) {
    if (!ok) CountViolation("V16", {{"why", why}, {"line", waiting.line}});
  } else if (ok) {
    Reply(*worker, waiting.ref, true, "");
  } else {
    RefuseEnqueue(*worker, waiting.ref, why, waiting.line);
  }
}

void Supervisor::AnswerStatus() {
  if (status_waiting_.empty()) return;
  status_timer_->Stop();
  const Snapshot snapshot = TakeSnapshot();
  for (const auto& [connection, workers_only] : std::exchange(status_waiting_, {})) {
    server_->Send(connection, workers_only ? RenderWorkers(snapshot) : RenderStatus(snapshot));
  }
}

Snapshot Supervisor::TakeSnapshot() {
  const TimePoint now = loop_.Now();
  Snapshot snapshot;
  snapshot.profile = profile_->name;
  snapshot.pid = getpid();
  snapshot.version = WORKMAND_VERSION;
  snapshot.generation = core_->pool().generation();
  snapshot.state = ToState(core_->phase());
  // A slot without a process is shown while one is due in it, not for ever.
  int missing = core_->pool().target();
  for (const auto& slot : core_->workers().slots()) {
    missing -= slot->Alive() && !slot->retiring ? 1 : 0;
  }
  for (const auto& slot : core_->workers().slots()) {
    if (!slot->Alive() && (stop_step_ > 0 || missing-- <= 0)) continue;
    const WorkerProcess* process = Find(slot->id);
    WorkerSnapshot worker;
    worker.worker = NameOf(slot->id);
    if (process != nullptr && process->child != nullptr) worker.pid = process->child->pid();
    worker.state = ToString(slot->state);
    worker.generation = slot->generation;
    worker.jobs = static_cast<std::uint64_t>(slot->jobs_finished);
    if (!slot->in_flight.empty()) {
      const Delivery& delivery = slot->in_flight.front();
      const Job& job = delivery.job.get();
      JobSnapshot shown{job.id,
                        job.task,
                        job.attempt,
                        std::chrono::duration_cast<Duration>(now - delivery.sent_at),
                        {}};
      if (profile_->admin.show_args) shown.args = job.payload.substr(0, kShownArgs);
      worker.job = std::move(shown);
    }
    snapshot.workers.push_back(std::move(worker));
  }
  const JobCounts& counts = core_->dispatcher().counts();
  snapshot.queue.driver = profile_->queue.driver;
  snapshot.queue.up = queue_state_.link == PumpState::Link::kUp;
  snapshot.queue.held = counts.taken - counts.settled;
  snapshot.queue.depth = queue_state_.depth;
  snapshot.queue.oldest_ms = queue_state_.oldest_ms;
  snapshot.counts = {counts.taken, counts.done,    counts.fail, counts.abort,
                     counts.lost,  counts.timeout, counts.dead};
  snapshot.violations = {violations_.begin(), violations_.end()};
  snapshot.dropped = dropped_;
  return snapshot;
}

void Supervisor::DumpState() {
  log::Info("state", {{"status", RenderStatus(TakeSnapshot())}});
  for (const auto& [code, count] : violations_) {
    log::Info("violations", {{"code", code}, {"count", count}});
  }
}

}  // namespace workmand
