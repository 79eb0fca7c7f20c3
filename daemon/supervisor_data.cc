// What running jobs say of themselves on the way to the queue, the queue's answers, and the brake:
// a worker whose results the queue does not take is left unread, so that it waits in its own write.
#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"

namespace workmand {
namespace {

/// Progress is passed on at most so often per worker; what comes between is dropped.
constexpr Duration kProgressEvery{100};
/// Smaller results are not counted: there is one for each job in flight.
constexpr std::size_t kCountedResult = 4096;

}  // namespace

void Supervisor::OnProgress(WorkerProcess& worker, const workman::protocol::Progress& progress,
                            std::string_view line) {
  const TimePoint now = loop_.Now();
  Delivery* live = core_->slot(worker.slot).Find(progress.id);
  if (live == nullptr) return UnknownJob(worker, "progress", line);
  (void)core_->OnHeartbeat(worker.slot, progress.id, Duration{0}, now);
  if (!live->job.get().wants_progress || !caps_.Has(Cap::kProgress)) return;
  if (worker.progress_at != TimePoint{} && After(worker.progress_at, kProgressEvery) > now &&
      progress.done < progress.total) {
    return;
  }
  worker.progress_at = now;
  Update update;
  update.token = live->job.get().token;
  update.kind = Update::Kind::kProgress;
  update.numerator = progress.done;
  update.denominator = progress.total;
  core_->outbox().updates.push_back(std::move(update));
}

void Supervisor::OnData(WorkerProcess& worker, const workman::protocol::Data& data,
                        std::string_view line) {
  Delivery* live = core_->slot(worker.slot).Find(data.id);
  if (live == nullptr) return UnknownJob(worker, "data", line);
  (void)core_->OnHeartbeat(worker.slot, data.id, Duration{0}, loop_.Now());
  if (!live->job.get().wants_progress || !caps_.Has(Cap::kPartialData)) {
    ++dropped_.data;
    return;
  }
  Update update;
  update.token = live->job.get().token;
  update.kind = Update::Kind::kData;
  update.warn = data.warn;
  std::string scratch;
  update.bytes = ToQueueBytes(data.data, worker.profile->payload, scratch);
  std::vector<Update>& updates = core_->outbox().updates;
  updates.push_back(std::move(update));
  TrackUpdates(worker, updates.size() - 1);
}

void Supervisor::TrackUpdates(WorkerProcess& worker, std::size_t first) {
  const std::vector<Update>& updates = core_->outbox().updates;
  for (std::size_t i = first; i < updates.size(); ++i) {
    Update& update = core_->outbox().updates[i];
    const bool counted =
        update.kind == Update::Kind::kData || update.bytes.size() >= kCountedResult;
    if (!counted && update.enqueue.empty()) continue;
    update.source = worker.serial;
    intake_.Add(worker.serial, update.bytes.size());
  }
  if (!worker.unread && intake_.Full(worker.serial)) SetUnread(worker, true);
}

void Supervisor::SetUnread(WorkerProcess& worker, bool unread) {
  worker.unread = unread;
  unread_workers_ += unread ? 1 : -1;
  log::Info(unread ? "worker paused" : "worker resumed",
            {{"worker", worker.name},
             {"job", JobOf(worker)},
             {"why", unread ? "the queue is behind with its results" : ""}});
  core_->OnUnread(worker.slot, unread, loop_.Now());
  if (!unread) AfterReading(worker);
}

void Supervisor::OnApplied(const AppliedUpdate& applied) {
  if (applied.source != 0) intake_.Remove(applied.source, applied.size);
  if (applied.kind == Update::Kind::kData) {
    if (applied.answer != Applied::kOk) ++dropped_.data;
    return;
  }
  if (applied.answer == Applied::kLost && applied.kind != Update::Kind::kExtend) {
    log::Warn("job completed late",
              {{"token", applied.token.value},
               {"why", "the queue had given it up: it may run, or have run, elsewhere"}});
  }
  const bool refused = applied.answer == Applied::kRefused;
  const bool known = IsSettlement(applied.kind) && core_->OnAnswered(applied.token, refused);
  if (!refused) return;
  if (!known) Refail(applied.token);
  const auto sender = std::find_if(workers_.begin(), workers_.end(), [&](const auto& worker) {
    return worker != nullptr && worker->serial == applied.source;
  });
  CountViolation("V16", {{"worker", sender == workers_.end() ? "" : (*sender)->name},
                         {"token", applied.token.value},
                         {"why", "a follow-up job was refused by the queue"}});
}

/// An outcome without follow-up jobs was refused, and so not settled; the job comes back.
void Supervisor::Refail(Token token) {
  Update update;
  update.token = token;
  update.kind = Update::Kind::kFail;
  update.bytes = workman::protocol::MakeError("enqueue_failed", "the queue refused the outcome");
  update.retry = true;
  update.delay = profile_->retry_backoff.min;
  core_->outbox().updates.push_back(std::move(update));
}

void Supervisor::ReadAgain() {
  if (unread_workers_ == 0) return;
  for (const auto& worker : workers_) {
    if (worker == nullptr || !worker->unread || !intake_.HasRoom(worker->serial)) continue;
    SetUnread(*worker, false);
  }
}

}  // namespace workmand
