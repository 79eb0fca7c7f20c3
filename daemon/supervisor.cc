#include "daemon/supervisor.h"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>
#include <variant>

#include "daemon/base/log.h"
#include "daemon/queue/registry.h"
#include "protocol/encode.h"

namespace workmand {
namespace {

/// A request line of the control socket: a bulk of large jobs, yet bounded.
constexpr std::size_t kMaxRequest = std::size_t{32} << 20U;
/// Fewer missing jobs than this do not make the pump turn while work is in hand.
constexpr std::uint64_t kGrantStep = 64;

constexpr std::initializer_list<int> kSignals{SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
                                              SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

std::uint64_t KernelSeed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

/// Where a hold keeps a job from others there are none; of what is lost with us, a few.
int MostHeld(const Caps& caps) {
  if (caps.Has(Cap::kInstantRequeue) || caps.Has(Cap::kLease)) return kMostHeld;
  return caps.Has(Cap::kAtLeastOnce) ? 0 : 64;
}

}  // namespace

Supervisor::Supervisor(io::Loop& loop, Profile profile, SupervisorOptions options)
    : loop_(loop),
      options_(std::move(options)),
      service_(loop, options_.notify),
      profile_(std::make_shared<const Profile>(std::move(profile))) {
  profiles_[Generation{1}] = profile_;
}

Supervisor::~Supervisor() = default;

Result<std::unique_ptr<Supervisor>> Supervisor::Start(io::Loop& loop, Profile profile,
                                                      SupervisorOptions options) {
  std::unique_ptr<Supervisor> supervisor(
      new Supervisor(loop, std::move(profile), std::move(options)));
  if (auto opened = supervisor->Open(); !opened) return tl::unexpected(opened.error());
  return supervisor;
}

Result<void> Supervisor::Open() {
  auto server = io::LineServer::Listen(
      loop_, profile_->admin.socket, kMaxRequest,
      {[this](ConnectionId from, std::string_view line) { OnRequest(from, line); },
       [this](ConnectionId from) { OnDisconnect(from); }});
  if (!server) return tl::unexpected(server.error());
  server_ = std::move(*server);
  driver_config_ = MakeDriverConfig(*profile_);
  auto driver = OpenQueue(driver_config_, Role::kConsumer);
  if (!driver) return tl::unexpected(driver.error());
  caps_ = (*driver)->GetCaps();

  const QueueTraits traits{caps_.Has(Cap::kRetryDelay), MostHeld(caps_)};
  core_ = std::make_unique<Core>(CoreOptions{std::make_shared<const Limits>(MakeLimits(*profile_)),
                                             traits, KernelSeed(), workman::protocol::MakeError});
  timer_ = std::make_unique<io::Timer>(loop_, [this] { OnTimer(); });
  status_timer_ = std::make_unique<io::Timer>(loop_, [this] { AnswerStatus(); });
  backlog_timer_ = std::make_unique<io::Timer>(loop_, [this] { OnBacklog(); });
  ping_timer_ = std::make_unique<io::Timer>(loop_, [this] { OnPingTime(); });
  queue_async_ = std::make_unique<io::Async>(loop_, [this] { OnQueue(); });
  producer_async_ = std::make_unique<io::Async>(loop_, [this] { OnProducer(); });
  signals_ = std::make_unique<io::Signals>(loop_, kSignals, [this](int signo) { OnSignal(signo); });
  orphans_ = std::make_unique<io::OrphanReaper>(loop_, LogOrphan);
  loop_.OnTurnEnd([this] { OnTurnEnd(); });
  PumpOptions pump;
  pump.dequeue_interval = profile_->dequeue_interval;
  pump.lease_time = profile_->lease_time;
  pump_ = std::make_unique<Pump>(std::move(*driver), pump, [this] { queue_async_->Send(); });
  core_->Begin(loop_.Now());
  return {};
}

int Supervisor::Run() {
  loop_.Run();
  return exit_status_;
}

/// libuv runs timers before it reads: after a freeze the answer that keeps a deadline may lie in
/// the pipe. So a deadline acts at the second firing, one turn later, when what was there is read.
void Supervisor::OnTimer() {
  if (std::exchange(deadline_seen_, !deadline_seen_)) core_->OnTime(loop_.Now());
}

void Supervisor::OnTurnEnd() {
  if (core_ == nullptr) return;
  const TimePoint now = loop_.Now();
  Execute();
  core_->EndTurn(now);
  Execute();
  FlushDirty();
  PostUpdates();
  const TimePoint next = core_->NextDeadline();
  if (next > now) deadline_seen_ = false;
  timer_->Set(next);
}

void Supervisor::FlushDirty() {
  for (const SlotId slot : dirty_) {
    WorkerProcess* worker = Find(slot);
    if (worker == nullptr || worker->child == nullptr) continue;
    worker->dirty = false;
    worker->child->Flush();
    WatchWrites(*worker);
  }
  dirty_.clear();
}

void Supervisor::PostUpdates() {
  Outbox& outbox = core_->outbox();
  const bool grants = RaiseGrant();
  if (outbox.updates.empty()) {
    if (grants) pump_->Grant(granted_);
    return;
  }
  pump_->Post(outbox.updates, outbox.urgent || core_->Starving(), granted_);
  outbox.urgent = false;
}

/// True when the pump is to be told of `granted_`.
bool Supervisor::RaiseGrant() {
  const std::uint64_t wanted = received_ + static_cast<std::uint64_t>(core_->Credit());
  if (wanted == granted_) return false;
  // Every outcome makes room for one job more. While there is work in hand the room is passed on in
  // steps, so that the queue's thread works in batches.
  const bool more = wanted > granted_;
  const std::uint64_t coming = granted_ > received_ ? granted_ - received_ : 0;
  if (more && !core_->Starving() && wanted - granted_ < kGrantStep &&
      coming * 2 > wanted - received_) {
    return false;
  }
  granted_ = wanted;
  return true;
}

void Supervisor::Execute() {
  Outbox& outbox = core_->outbox();
  while (!outbox.actions.empty() || !deferred_.empty()) {
    actions_.clear();
    std::swap(actions_, outbox.actions);
    for (const Action& one : actions_) {
      std::visit([this](const auto& what) { Do(what); }, one);
    }
    std::vector<std::function<void()>> deferred = std::exchange(deferred_, {});
    for (const auto& call : deferred) call();
  }
}

WorkerProcess* Supervisor::Find(SlotId slot) {
  return slot.value < workers_.size() ? workers_[slot.value].get() : nullptr;
}

std::string Supervisor::NameOf(SlotId slot) const {
  return profile_->name + "-" + std::to_string(slot.value);
}

void Supervisor::MarkDirty(WorkerProcess& worker) {
  if (worker.dirty) return;
  worker.dirty = true;
  dirty_.push_back(worker.slot);
}

void Supervisor::OnQueue() {
  batch_.Clear();
  pump_->Drain(batch_);
  if (batch_.session_lost && !caps_.Has(Cap::kHoldSurvives)) core_->OnSessionLost();
  for (const AppliedUpdate& applied : batch_.applied) OnApplied(applied);
  ReadAgain();
  if (!batch_.jobs.empty()) {
    received_ += batch_.jobs.size();
    core_->OnJobs(batch_.jobs, loop_.Now());
  }
  if (!batch_.state) return;
  const PumpState before = std::exchange(queue_state_, *batch_.state);
  if (before.link != queue_state_.link && stop_step_ == 0) {
    TellStatus();
    if (queue_state_.link == PumpState::Link::kUp) {
      log::Info("queue up", {{"driver", profile_->queue.driver}});
    } else if (queue_state_.link != PumpState::Link::kConnecting) {
      log::Warn("queue down", {{"driver", profile_->queue.driver}, {"error", queue_state_.error}});
    }
  }
  AnswerStatus();
}

void Supervisor::Do(const action::SendNotice& notice) {
  WorkerProcess* worker = Find(notice.slot);
  if (worker == nullptr || worker->child == nullptr || !SpeaksProtocol(*worker)) return;
  const std::int64_t grace = notice.grace == kInfinite ? -1 : notice.grace.count();
  // To the worker an old age is a recycling like any other; the log tells them apart.
  const StopReason reason =
      notice.reason == StopReason::kLifetime ? StopReason::kRecycle : notice.reason;
  workman::protocol::AppendShutdown(worker->child->buffer(), ToString(reason), grace);
  MarkDirty(*worker);
}

void Supervisor::Do(const action::SendCancel& cancel) {
  WorkerProcess* worker = Find(cancel.slot);
  if (worker == nullptr || worker->child == nullptr) return;
  if (!SpeaksProtocol(*worker)) return EndInputOfFilter(*worker, cancel);
  workman::protocol::AppendCancel(worker->child->buffer(), cancel.delivery.view(),
                                  ToString(cancel.reason));
  worker->child->Flush();  // it must be there before the signal that follows
}

void Supervisor::Do(const action::CloseStdin& close) {
  WorkerProcess* worker = Find(close.slot);
  if (worker == nullptr || worker->child == nullptr) return CloseSlot(close.slot);
  worker->child->CloseStdin();
}

void Supervisor::Do(const action::SendSignal& signal) {
  WorkerProcess* worker = Find(signal.slot);
  if (worker == nullptr || worker->child == nullptr) return CloseSlot(signal.slot);
  const int abort = AbortSignalOf(*worker->profile);
  log::Info("worker signalled", {{"worker", worker->name},
                                 {"signal", RungName(signal.rung, abort)},
                                 {"why", ToString(signal.cause)},
                                 {"job", JobOf(*worker)}});
  if (signal.rung == Rung::kAbort && signal.cause == Cause::kExitGrace) {
    CountViolation("V19", {{"worker", worker->name}, {"why", ToString(signal.cause)}});
  }
  switch (signal.rung) {
    case Rung::kTerm: worker->child->Signal(SIGTERM); break;
    case Rung::kAbort: worker->child->Signal(abort); break;
    case Rung::kKill: worker->child->SignalGroup(SIGKILL); break;
  }
}

void Supervisor::Do(const action::WorkerStopping& stopping) {
  log::Info("worker stopping", {{"worker", NameOf(stopping.slot)},
                                {"reason", ToString(stopping.reason)},
                                {"state", ToString(stopping.state)}});
}

void Supervisor::Do(const action::JobEnded& ended) {
  using Next = action::JobEnded::Next;
  std::string next = "gone";
  if (ended.next == Next::kRetry) next = "retry in " + std::to_string(ended.delay.count()) + " ms";
  if (ended.next == Next::kBack) next = "back on the queue";
  if (ended.next == Next::kDead) next = "dead";
  std::string_view event = "job failed";
  if (ended.outcome == Outcome::kAbort) event = "job aborted";
  if (ended.outcome == Outcome::kLost) event = "job lost";
  if (ended.outcome == Outcome::kTimeout) event = "job timeout";
  const bool warn = ended.outcome == Outcome::kLost || ended.outcome == Outcome::kTimeout;
  std::vector<log::Field> fields{
      {"worker", ended.slot.value == 0 ? std::string("none") : NameOf(ended.slot)},
      {"job", ended.job},
      {"task", ended.task},
      {"attempt", ended.attempt},
      {"error", ended.why},
      {"next", next}};
  if (ended.limit.count() > 0) fields.emplace_back("limit_ms", ended.limit.count());
  log::Write(warn ? log::Level::kWarn : log::Level::kInfo, event, fields);
}

void Supervisor::Do(const action::JobSlow& slow) {
  log::Warn(slow.soft_limit ? "job over its soft time limit" : "job slow",
            {{"worker", NameOf(slow.slot)},
             {"job", slow.job},
             {"task", slow.task},
             {"running_ms", slow.running.count()}});
}

void Supervisor::Do(const action::Subscribe& subscribe) {
  std::vector<Subscription> tasks;
  if (subscribe.any) tasks.push_back({"*"});
  for (const std::string& task : subscribe.tasks) tasks.push_back({task});
  pump_->Subscribe(std::move(tasks));
}

void Supervisor::OnStopped() {
  if (AwaitsTemplates()) return;
  io::BlockSignals(kSignals);
  // Everything that was in flight is settled or given back by now; the pump tells the queue.
  PostUpdates();
  constexpr Duration kPatience{10'000};
  const bool told = pump_->Stop(kPatience);
  if (producer_ != nullptr) (void)producer_->Stop(kPatience);
  bool left = false;
  for (const auto& slot : core_->workers().slots()) left = left || slot->Alive();
  if (!told) log::Err("queue did not take the last settlements in time");
  if (left) log::Err("a process survives SIGKILL and is left behind");
  exit_status_ = told && !left ? 0 : 1;
  const JobCounts& counts = core_->dispatcher().counts();
  log::Info("stopped", {{"done", counts.done},
                        {"fail", counts.fail},
                        {"abort", counts.abort},
                        {"lost", counts.lost},
                        {"timeout", counts.timeout},
                        {"dead", counts.dead}});
  loop_.Stop();
}

Limits MakeLimits(const Profile& profile) {
  Limits limits;
  limits.max_workers = profile.max_workers;
  limits.min_workers = profile.min_workers;
  limits.idle_timeout = profile.idle_timeout;
  limits.spawn_interval = profile.spawn_interval;
  limits.start_timeout = profile.start_timeout;
  limits.respawn_min = profile.respawn_backoff_min;
  limits.respawn_max = profile.respawn_backoff_max;
  limits.max_start_failures = profile.max_start_failures;
  limits.max_jobs = profile.mode == Mode::kExec ? 0 : profile.max_reqs_per_child;
  limits.max_jobs_jitter = profile.max_reqs_per_child_jitter;
  limits.max_lifetime = profile.max_lifetime;
  limits.time_limit = profile.time_limit;
  limits.soft_time_limit = profile.soft_time_limit;
  limits.slow_job_threshold = profile.slow_job_threshold;
  limits.stall_timeout = profile.stall_timeout;
  limits.max_extension = profile.max_timeout;
  limits.graceful_stop = profile.graceful_shutdown_timeout;
  limits.graceful_restart = profile.restart_timeout();
  limits.abort_timeout = profile.abort_timeout;
  limits.exit_grace = profile.exit_grace;
  switch (profile.stop_signal) {
    case StopSignal::kAuto: limits.term = TermPolicy::kIfHandled; break;
    case StopSignal::kAlways: limits.term = TermPolicy::kAlways; break;
    case StopSignal::kNone: limits.term = TermPolicy::kOff; break;
  }
  limits.max_surge = profile.max_surge;
  limits.max_unavailable = profile.max_unavailable;
  limits.prefetch = profile.prefetch;
  limits.max_attempts = profile.max_attempts;
  limits.max_aborts = profile.max_aborts;
  limits.max_violations = profile.max_violations;
  const Backoff& retry = profile.retry_backoff;
  limits.retry = {retry.min, retry.max, retry.factor, retry.jitter};
  for (const auto& [name, task] : profile.tasks) {
    limits.tasks[name] = {task.time_limit, task.max_attempts, task.limit};
  }
  return limits;
}

}  // namespace workmand
