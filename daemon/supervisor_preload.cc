// Workers that a template is to fork (`preload: true`). Such a worker has its slot from the start,
// and its process later.
#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"
#include "daemon/templates.h"

namespace workmand {

void Supervisor::OrderFork(WorkerProcess& worker, const Slot& slot) {
  if (templates_ == nullptr) {
    Templates::Events events;
    events.make_spec = [this](const Profile& profile, const std::string& name,
                              Generation generation) {
      io::ChildSpec spec = MakeSpec(profile, name, generation);
      spec.env.emplace_back("WORKMAN_ZYGOTE=1");  // So that it waits for the greeting.
      return spec;
    };
    events.make_hello = [](const Profile& profile, const std::string& name, Generation generation) {
      return MakeHello(profile, name, generation, 0, Greeting::kTemplate);
    };
    events.on_worker = [this](Templates::Ticket ticket, io::AdoptedChild child) {
      OnForked(ticket, std::move(child));
    };
    events.on_failed = [this](Templates::Ticket ticket, const Templates::Failure& failure) {
      OnForkFailed(ticket, failure);
    };
    events.on_none = [this] {
      if (std::exchange(stopped_, false)) OnStopped();
    };
    templates_ = std::make_unique<Templates>(loop_, std::move(events));
  }
  worker.awaited = true;
  const Templates::Ticket ticket{worker.slot, worker.serial};
  const auto ordered = templates_->Fork({ticket, worker.name, slot.generation, worker.profile});
  if (!ordered) {
    io::ExitStatus status;
    status.exec_error = ordered.error().message;
    OnForkFailed(ticket, {status, {}, {}, false, false});
  }
}

WorkerProcess* Supervisor::FindAwaited(Templates::Ticket ticket) {
  WorkerProcess* worker = Find(ticket.slot);
  return worker != nullptr && worker->serial == ticket.serial && worker->awaited ? worker : nullptr;
}

void Supervisor::OnForked(Templates::Ticket ticket, io::AdoptedChild process) {
  WorkerProcess* worker = FindAwaited(ticket);
  if (worker == nullptr) return;
  auto child =
      io::Child::Adopt(loop_, std::move(process), io::ChildSpec{}.pipe_grace, EventsOf(*worker));
  if (!child) return OnForkFailed(ticket, {{}, child.error().message, {}, false, false});
  worker->awaited = false;
  worker->child = std::move(*child);
  const Slot& slot = core_->slot(ticket.slot);
  log::Info("worker spawned", {{"worker", worker->name},
                               {"pid", worker->child->pid()},
                               {"generation", slot.generation.value}});
  WriteHello(*worker, slot);
}

void Supervisor::OnForkFailed(Templates::Ticket ticket, const Templates::Failure& failure) {
  // Core hears of it after the actions at hand, as of any other end.
  deferred_.emplace_back([this, ticket, failure] {
    WorkerProcess* worker = FindAwaited(ticket);
    if (worker == nullptr) return;
    worker->start_note = failure.why;
    worker->stderr_tail = failure.last_words;
    if (failure.unusable) worker->unusable = failure.why;
    worker->failure_counted = failure.counted;
    io::ExitStatus status = failure.status;
    status.unknown = status.exec_error.empty() && status.signal == 0 && status.code == 0;
    OnGone(ticket.slot, status);
  });
}

bool Supervisor::AwaitsTemplates() {
  if (templates_ == nullptr || templates_->empty()) return false;
  templates_->Stop(stop_step_);
  stopped_ = true;
  return true;
}

void Supervisor::ReviewTemplates() {
  if (templates_ == nullptr || templates_->empty()) return;
  const Pool& pool = core_->pool();
  templates_->KeepOnly([&](Generation generation) {
    if (generation == pool.generation() || pool.pending() == generation) return true;
    const auto& slots = core_->workers().slots();
    return std::any_of(slots.begin(), slots.end(), [&](const auto& slot) {
      return slot->Alive() && slot->generation == generation;
    });
  });
}

}  // namespace workmand
