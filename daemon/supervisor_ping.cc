// Signs of life of idle workers. A worker that announced `ping` and has been idle for ping_interval
// is asked; one that does not answer in write_timeout is ended before a job gets lost in it. All
// are asked in the same turn: an idle daemon must not wake up for each of its workers.
#include <algorithm>

#include "daemon/supervisor.h"
#include "protocol/encode.h"

namespace workmand {
namespace {

std::string IdOf(std::uint64_t ping) {
  return "p" + std::to_string(ping);
}

}  // namespace

void Supervisor::StartPinging(WorkerProcess& worker) {
  const Duration every = worker.profile->ping_interval;
  if (every.count() == 0) return;
  worker.pings = true;
  const TimePoint due = After(loop_.Now(), every);
  if (due >= next_ping_) return;
  next_ping_ = due;
  ping_timer_->Set(due);
}

void Supervisor::OnPingTime() {
  const TimePoint now = loop_.Now();
  const bool round = next_ping_ <= now;
  if (round) next_ping_ = kNever;
  TimePoint next = kNever;
  for (const auto& worker : workers_) {
    if (worker == nullptr || worker->child == nullptr || !worker->pings) continue;
    const Slot& slot = core_->slot(worker->slot);
    const Duration every = worker->profile->ping_interval;
    if (worker->pong_by <= now) {
      worker->pong_by = kNever;
      worker->pings = false;
      if (slot.state == State::kClosing) continue;  // Its end has a deadline of its own.
      Violate(*worker, "V21", "answered no ping for write_timeout", "", Weight::kCounted);
      core_->OnForce(worker->slot, Cause::kNotReading, now);
      continue;
    }
    const bool idle = slot.state == State::kIdle && !slot.retiring;
    if (round && idle && worker->pong_by == kNever && After(slot.idle_since, every) <= now) {
      workman::protocol::AppendPing(worker->child->buffer(), IdOf(++worker->ping));
      MarkDirty(*worker);
      worker->pong_by = After(now, worker->profile->write_timeout);
    }
    next = std::min(next, worker->pong_by);
    if (round) next_ping_ = std::min(next_ping_, After(now, every));
  }
  ping_timer_->Set(std::min(next, next_ping_));
}

void Supervisor::OnPong(WorkerProcess& worker, const workman::protocol::Pong& pong,
                        std::string_view line) {
  if (worker.ping == 0 || pong.id != IdOf(worker.ping)) {
    Violate(worker, "V09", "a pong for a ping that was not sent", line, Weight::kScored);
    return;
  }
  worker.pong_by = kNever;
}

}  // namespace workmand
