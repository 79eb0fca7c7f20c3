// Worker processes begin and end.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"
#include "protocol/zygote.h"

namespace workmand {
void LogOrphan(int pid, const io::ExitStatus& status) {
  log::Debug("orphan reaped", {{"pid", pid}, {"status", status.ToString()}});
}

void Supervisor::Do(const action::Spawn& spawn) {
  const Slot& slot = core_->slot(spawn.slot);
  if (workers_.size() <= spawn.slot.value) workers_.resize(spawn.slot.value + 1);
  auto& place = workers_[spawn.slot.value];
  place = std::make_unique<WorkerProcess>(spawn.slot, NameOf(spawn.slot),
                                          profiles_.at(slot.generation));
  WorkerProcess& worker = *place;
  worker.serial = ++last_serial_;
  worker.spawned_at = loop_.Now();
  const SlotId id = spawn.slot;
  if (worker.profile->mode == Mode::kExec) return OpenSlot(id);
  if (worker.profile->preload) return OrderFork(worker, slot);
  io::ChildEvents events = EventsOf(worker);
  if (worker.profile->mode == Mode::kLines) PrepareFilter(worker, events);
  auto child = io::Child::Spawn(loop_, MakeSpec(*worker.profile, worker.name, slot.generation),
                                std::move(events));
  if (!child) {
    // Core hears of it after the actions at hand, as of any other end.
    deferred_.emplace_back([this, id, why = child.error().message] {
      io::ExitStatus status;
      status.exec_error = why;
      OnGone(id, status);
    });
    return;
  }
  worker.child = std::move(*child);
  log::Info("worker spawned", {{"worker", worker.name},
                               {"pid", worker.child->pid()},
                               {"generation", slot.generation.value}});
  if (worker.profile->mode == Mode::kProtocol) WriteHello(worker, slot);
}

io::ChildEvents Supervisor::EventsOf(WorkerProcess& worker) {
  return {[this, &worker](std::string_view bytes) { OnStdout(worker, bytes); },
          [this, &worker] { OnStdoutEof(worker); },
          [this, &worker](std::string_view bytes) { OnStderr(worker, bytes); },
          [this, &worker](int error) { OnWriteError(worker, error); },
          [this, id = worker.slot](const io::ExitStatus& status) { OnGone(id, status); }};
}

io::ChildSpec Supervisor::MakeSpec(const Profile& profile, const std::string& worker,
                                   Generation generation) const {
  std::map<std::string, std::string> env = ProcessEnvironment();
  // What belongs to the daemon alone: a worker that inherits it would speak for the daemon.
  for (const char* mine :
       {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS",
        "LISTEN_FDNAMES", "WORKMAN_STOP_GRACE", "WORKMAN_IN", "WORKMAN_OUT", "WORKMAN_ZYGOTE"}) {
    env.erase(mine);
  }
  for (const auto& [key, value] : profile.env) env[key] = value;
  env.erase("WORKMAN");  // it says that the daemon speaks the protocol
  if (profile.mode == Mode::kProtocol) {
    env["WORKMAN"] = std::to_string(workman::protocol::kVersion);
  }
  if (profile.mode == Mode::kLines && profile.lines.stdbuf) UnbufferOutput(env);
  env["WORKMAN_PROFILE"] = profile.name;
  env["WORKMAN_WORKER"] = worker;
  env["WORKMAN_GENERATION"] = std::to_string(generation.value);

  io::ChildSpec spec;
  if (profile.channel == Channel::kFd) {
    spec.channel = io::ChildSpec::Channel::kExtra;
    env["WORKMAN_IN"] = "3";
    env["WORKMAN_OUT"] = "4";
  }
  spec.launcher = options_.launcher;
  spec.argv = profile.command;
  for (const auto& [key, value] : env) spec.env.push_back(key + "=" + value);
  spec.working_directory = profile.working_directory;
  spec.nice = profile.nice;
  spec.rlimits = profile.rlimits;
  if (options_.soft_file_limit > 0) spec.soft_file_limit = options_.soft_file_limit;
  spec.user = profile.user;
  spec.group = profile.group;
  switch (profile.stderr_mode) {
    case StderrMode::kLog: spec.stderr_mode = io::ChildSpec::Stderr::kPipe; break;
    case StderrMode::kInherit: spec.stderr_mode = io::ChildSpec::Stderr::kInherit; break;
    case StderrMode::kNull: spec.stderr_mode = io::ChildSpec::Stderr::kNull; break;
  }
  return spec;
}

std::string Supervisor::MakeHello(const Profile& profile, const std::string& worker,
                                  Generation generation, int max_jobs, Greeting greeting) {
  workman::protocol::Hello hello;
  hello.daemon = std::string("workmand/") + WORKMAND_VERSION;
  hello.profile = profile.name;
  hello.worker = worker;
  hello.generation = generation.value;
  hello.max_line = profile.max_line;
  hello.start_timeout_ms = profile.start_timeout.count();
  if (profile.graceful_shutdown_timeout != kInfinite) {
    hello.graceful_timeout_ms = profile.graceful_shutdown_timeout.count();
  }
  hello.abort_timeout_ms = profile.abort_timeout.count();
  hello.max_jobs = max_jobs;
  hello.features = {"enqueue", "cancel", "extend", "ping"};
  if (greeting == Greeting::kTemplate) hello.features.emplace_back(workman::protocol::kZygote);
  hello.config = profile.config_json;
  std::string line;
  workman::protocol::AppendHello(line, hello);
  return line;
}

void Supervisor::WriteHello(WorkerProcess& worker, const Slot& slot) {
  worker.child->Write(
      MakeHello(*worker.profile, worker.name, slot.generation, slot.max_jobs, Greeting::kWorker));
  MarkDirty(worker);
}

void Supervisor::OnGone(SlotId id, const io::ExitStatus& status) {
  WorkerProcess* worker = Find(id);
  const Slot& slot = core_->slot(id);
  if (worker->child != nullptr) {
    ReadRest(*worker);
    if (const auto residue = worker->err.Finish()) OnStderrLine(*worker, residue->text);
    ReportDropped(*worker);
    const bool kills = worker->profile->kill_group || worker->profile->mode != Mode::kProtocol;
    if (kills) worker->child->SignalGroup(SIGKILL);
    MarkUndelivered(*worker);
  }
  Exit exit;
  exit.how = status.ToString();
  if (slot.start_timed_out) exit.how = std::string(ToString(Cause::kStartTimeout));
  if (!worker->start_note.empty()) exit.how = worker->start_note;
  if (!worker->unusable.empty()) exit.how = worker->unusable;
  exit.unusable = !worker->unusable.empty();
  exit.counted = worker->failure_counted;
  exit.last_words = worker->stderr_tail;
  if (worker->filter != nullptr) exit.note = NoteOfEnd(*worker);
  if (slot.severe) exit.broke = worker->broke;
  if (status.exec_error.empty() && !status.unknown) {
    (status.signal != 0 ? exit.signal : exit.code) =
        status.signal != 0 ? status.signal : status.code;
  }
  NoteEnd(*worker, slot, exit);
  const bool asked = slot.told || slot.cause != Cause::kNone;
  const auto uptime = std::chrono::duration_cast<Duration>(loop_.Now() - worker->spawned_at);
  std::vector<log::Field> fields{
      {"worker", worker->name},
      {"pid", worker->child == nullptr ? 0 : worker->child->pid()},
      {"status", status.ToString()},
      {"reason", slot.told && slot.cause == Cause::kAsked ? ToString(slot.stop_reason)
                                                          : ToString(slot.cause)},
      {"jobs", slot.jobs_finished},
      {"uptime_ms", uptime.count()}};
  if (!slot.in_flight.empty()) {
    fields.emplace_back("job", JobOf(*worker));
    fields.emplace_back("stderr", worker->stderr_tail);
  }
  const bool clean =
      status.signal == 0 && status.code == 0 && status.exec_error.empty() && !status.unknown;
  log::Write(asked && (clean || slot.rung_at != kNever || slot.term_sent) ? log::Level::kInfo
                                                                          : log::Level::kWarn,
             "worker gone", fields);
  EndLife(id, exit);
}

void Supervisor::EndLife(SlotId id, const Exit& exit) {
  WorkerProcess* worker = Find(id);
  if (worker->unread) --unread_workers_;
  core_->OnGone(id, exit, loop_.Now());
  Execute();
  if (Find(id) == worker) workers_[id.value].reset();
}

void Supervisor::Do(const action::WorkerEnded& ended) {
  ReviewTemplates();
  if (ended.failure == 0) return;
  log::Warn("worker start failed",
            {{"worker", NameOf(ended.slot)}, {"why", ended.how}, {"failures", ended.failure}});
}

/// Violations that show only at the end.
void Supervisor::NoteEnd(WorkerProcess& worker, const Slot& slot, const Exit& exit) {
  if (slot.start_timed_out && worker.start_note.empty()) {
    CountViolation("V01", {{"worker", worker.name},
                           {"why", "no ready within start_timeout"},
                           {"line", worker.first_garbage}});
  }
  const bool by_itself = slot.rung_at == kNever && !slot.term_sent;
  if (exit.code == 0 && by_itself && !slot.in_flight.empty()) {
    CountViolation("V14", {{"worker", worker.name},
                           {"job", JobOf(worker)},
                           {"why", "exit 0 without an outcome for the job in flight"},
                           {"line", worker.first_garbage}});
  }
}

void Supervisor::OnStdoutEof(WorkerProcess& worker) {
  // The usual case is that the exit follows at once. A worker that lives on without a stdout can
  // never answer again (V11).
  const SlotId id = worker.slot;
  worker.stdout_timer = std::make_unique<io::Timer>(loop_, [this, id] {
    WorkerProcess* late = Find(id);
    if (late == nullptr) return;
    Violate(*late, "V11", "closed its stdout and went on living", "", Weight::kCounted);
    core_->OnForce(id, Cause::kStdoutClosed, loop_.Now());
  });
  worker.stdout_timer->Set(After(loop_.Now(), worker.profile->exit_grace));
}

void Supervisor::MarkUndelivered(WorkerProcess& worker) {
  const std::uint64_t written = worker.child->bytes_written();
  for (const WorkerProcess::Sending& one : worker.sending) {
    if (one.end > written) core_->OnUndelivered(worker.slot, one.delivery.view());
  }
}

void Supervisor::OnWriteError(WorkerProcess& worker, int error) {
  log::Debug("worker stdin closed", {{"worker", worker.name}, {"error", std::strerror(error)}});
  // It is about to be gone, as a rule. One that lives on cannot be given work, nor told to stop.
  const SlotId id = worker.slot;
  worker.write_timer = std::make_unique<io::Timer>(loop_, [this, id] {
    WorkerProcess* late = Find(id);
    if (late == nullptr) return;
    Violate(*late, "V21", "closed its stdin and went on living", "", Weight::kCounted);
    MarkUndelivered(*late);
    core_->OnForce(id, Cause::kNotReading, loop_.Now());
  });
  constexpr Duration kExitFollows{1'000};
  worker.write_timer->Set(After(loop_.Now(), kExitFollows));
}

void Supervisor::WatchWrites(WorkerProcess& worker) {
  const std::uint64_t written = worker.child->bytes_written();
  while (!worker.sending.empty() && worker.sending.front().end <= written) {
    worker.sending.pop_front();
  }
  if (worker.sending.empty() || worker.write_timer != nullptr) return;
  const SlotId id = worker.slot;
  worker.write_timer = std::make_unique<io::Timer>(loop_, [this, id] {
    if (WorkerProcess* late = Find(id)) OnWriteTimeout(*late);
  });
  worker.written_at_timer = written;
  worker.write_timer->Set(After(loop_.Now(), worker.profile->write_timeout));
}

void Supervisor::OnWriteTimeout(WorkerProcess& worker) {
  const std::uint64_t written = worker.child->bytes_written();
  worker.write_timer.reset();
  while (!worker.sending.empty() && worker.sending.front().end <= written) {
    worker.sending.pop_front();
  }
  if (worker.sending.empty()) return;
  if (written > worker.written_at_timer) {  // slow, but it reads
    WatchWrites(worker);
    return;
  }
  Violate(worker, "V21", "took no byte of a job for write_timeout", "", Weight::kCounted);
  MarkUndelivered(worker);
  core_->OnForce(worker.slot, Cause::kNotReading, loop_.Now());
}

}  // namespace workmand
