// Mode exec: a process for each job, whose exit code is the outcome. To core its worker is one like
// any other, which is ready at once and gone at once while no job runs in it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/modes/arguments.h"
#include "daemon/modes/control.h"
#include "daemon/modes/exit_meaning.h"
#include "daemon/profile/mode_keys.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

/// How long after the exit of a program its output is awaited, which a grandchild may hold open.
constexpr Duration kOutputGrace{1'000};
/// The log tells of so many bad lines on descriptor 3 of one program.
constexpr int kMostRefused = 10;

/// A start that failed for want of something that others use up: the next one may succeed.
bool IsTransient(std::string_view why) {
  constexpr std::array kErrors = {EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY};
  return std::any_of(kErrors.begin(), kErrors.end(), [why](int error) {
    return why.find(std::strerror(error)) != std::string_view::npos;
  });
}

bool IsClimbing(const Slot& slot) {
  return slot.state == State::kAborting || slot.state == State::kKilling;
}

/// Whether the end of the program is our own doing, so that its status says nothing of the job. One
/// that ends by itself after a signal of ours may have left its work half done: exit 0 is no proof.
bool EndedByUs(const Slot& slot, const io::ExitStatus& status) {
  if (slot.rung_at != kNever) return true;
  const bool at_term = status.signal == SIGTERM || (status.signal == 0 && status.code == 0);
  return slot.term_sent && at_term;
}

std::string Describe(const io::ExitStatus& status, std::string_view stderr_tail) {
  std::string text = status.ToString();
  if (const std::string_view last = LastLine(stderr_tail); !last.empty()) {
    text.append(": ").append(last);
  }
  return text;
}

/// What the end of a program says of its job.
struct Verdict {
  ExitMeaning meaning = ExitMeaning::kDone;
  std::string code;         ///< of the error
  std::string message;      ///< of the error
  std::string_view result;  ///< of kDone
};

/// `scratch` keeps a result that had to be rewritten; the result may also lie in the program.
Verdict Judge(const WorkerProcess& worker, const io::ExitStatus& status, std::string& scratch) {
  const ExecOptions& options = worker.profile->exec;
  if (worker.program->too_long) {
    return {ExitMeaning::kPermanent,
            "result_too_large",
            "the output is longer than exec.max_result (" + std::to_string(options.max_result) +
                " bytes)",
            {}};
  }
  const std::string message = Describe(status, worker.stderr_tail);
  if (!status.exec_error.empty()) return {ExitMeaning::kHold, "exec_failed", message, {}};
  if (status.signal != 0) return {ExitMeaning::kLost, "lost", message, {}};
  const ExitMeaning meaning = MeaningOf(status.code, options.exit_codes);
  const std::string code = "exit_" + std::to_string(status.code);
  if (meaning != ExitMeaning::kDone) return {meaning, code, message, {}};
  const auto result = ReadOutput(worker.program->output, options.result, scratch);
  if (!result) return {ExitMeaning::kRetry, "bad_result", result.error().message, {}};
  return {meaning, "", "", *result};
}

}  // namespace

int AbortSignalOf(const Profile& profile) {
  return profile.mode == Mode::kExec ? profile.exec.abort_signal : SIGABRT;
}

std::string_view RungName(Rung rung, int abort_signal) {
  return rung == Rung::kAbort ? SignalName(abort_signal) : ToString(rung);
}

void Supervisor::OnAnnounced(WorkerProcess& worker) {
  const Profile& profile = *worker.profile;
  auto announced = std::make_shared<Announcement>();
  for (const auto& [task, options] : profile.tasks)
    announced->tasks.emplace(task, TaskAnnouncement{});
  // To a filter "cancel" is the end of its input (EndInputOfFilter).
  announced->cancel = profile.mode == Mode::kLines;
  const std::size_t tasks = announced->tasks.size();
  if (core_->OnReady(worker.slot, std::move(announced), loop_.Now()) != Core::ReadyIs::kFirst) {
    return;
  }
  log::Write(worker.child == nullptr ? log::Level::kDebug : log::Level::kInfo, "worker ready",
             {{"worker", worker.name},
              {"pid", worker.child == nullptr ? 0 : worker.child->pid()},
              {"generation", core_->slot(worker.slot).generation.value},
              {"tasks", tasks}});
}

void Supervisor::OpenSlot(SlotId slot) {
  deferred_.emplace_back([this, slot] {
    if (WorkerProcess* worker = Find(slot)) OnAnnounced(*worker);
  });
}

void Supervisor::CloseSlot(SlotId slot) {
  const std::uint32_t life = core_->slot(slot).life;
  deferred_.emplace_back([this, slot, life] {
    const WorkerProcess* worker = Find(slot);
    if (worker == nullptr || core_->slot(slot).life != life || !core_->slot(slot).Alive()) return;
    if (worker->awaited) {
      templates_->Cancel({slot, worker->serial});
      EndLife(slot, {std::nullopt, std::nullopt, "its template had not forked it yet", false});
    } else if (worker->profile->mode == Mode::kExec && worker->program == nullptr) {
      EndLife(slot, {0, std::nullopt, "had no process", false});
    }
  });
}

io::ChildSpec Supervisor::MakeProgramSpec(const WorkerProcess& worker,
                                          const Delivery& delivery) const {
  const Profile& profile = *worker.profile;
  const Job& job = delivery.job.get();
  io::ChildSpec spec = MakeSpec(profile, worker.name, core_->slot(worker.slot).generation);
  spec.side_pipe = true;
  spec.pipe_grace = kOutputGrace;
  const std::pair<std::string_view, std::string> variables[] = {
      {"WORKMAN_TASK=", job.task},
      {"WORKMAN_ID=", std::string(delivery.id.view())},
      {"WORKMAN_ATTEMPT=", std::to_string(job.attempt)},
      {"WORKMAN_MAX_ATTEMPTS=", std::to_string(delivery.max_attempts)},
      {"WORKMAN_TIMEOUT_MS=", std::to_string(delivery.time_limit.count())},
      {"WORKMAN_QUEUE=", profile.queue.prefix + job.task},
      {"WORKMAN_JOB=", job.id},
      {"WORKMAN_CTL=", "3"}};
  for (const auto& [name, value] : variables) {
    std::erase_if(spec.env, [key = name](const std::string& one) { return one.starts_with(key); });
    spec.env.push_back(std::string(name) + value);
  }
  return spec;
}

void Supervisor::RunProgram(WorkerProcess& worker, const Delivery& delivery) {
  const Profile& profile = *worker.profile;
  const Job& job = delivery.job.get();
  FittedInput input = FitInput(job.payload, profile.payload, text_scratch_);
  io::ChildSpec spec = MakeProgramSpec(worker, delivery);
  if (input.unfit.code.empty()) {
    spec.argv =
        FillIn(profile.command, {job.task, delivery.id.view(), job.attempt, &input}, input.unfit);
  }
  if (!input.unfit.code.empty()) return FailUnfit(worker.slot, delivery.id, input.unfit);

  worker.program = std::make_unique<Program>(delivery.id, profile.max_line);
  worker.stderr_tail.clear();
  const SlotId id = worker.slot;
  const auto on_control = [this, &worker](std::string_view bytes) {
    worker.program->control.Feed(bytes, [&](const proto::Line& line) {
      OnControlLine(worker, line);
      return true;
    });
  };
  auto child =
      io::Child::Spawn(loop_, spec,
                       {[this, &worker](std::string_view bytes) { OnProgramOutput(worker, bytes); },
                        [] {},
                        [this, &worker](std::string_view bytes) { OnStderr(worker, bytes); },
                        [](int) {},  // it need not read its input
                        [this, id](const io::ExitStatus& status) { OnProgramGone(id, status); },
                        on_control,
                        {}});
  if (!child) {
    deferred_.emplace_back([this, id, why = child.error().message] {
      io::ExitStatus status;
      status.exec_error = why;
      OnProgramGone(id, status);
    });
    return;
  }
  worker.child = std::move(*child);
  worker.child->Write(input.bytes);
  worker.child->CloseStdin();
  log::Debug("program started",
             {{"worker", worker.name}, {"pid", worker.child->pid()}, {"job", job.id}});
}

void Supervisor::OnProgramOutput(WorkerProcess& worker, std::string_view bytes) {
  Program& program = *worker.program;
  if (program.too_long) return;
  if (program.output.size() + bytes.size() <= worker.profile->exec.max_result) {
    program.output.append(bytes);
    return;
  }
  program.too_long = true;
  program.output = {};
  CountViolation("V06", {{"worker", worker.name},
                         {"job", JobOf(worker)},
                         {"why", "an output longer than exec.max_result"},
                         {"line", ""}});
  core_->OnForce(worker.slot, Cause::kViolation, loop_.Now());
}

void Supervisor::OnControlLine(WorkerProcess& worker, const proto::Line& line) {
  std::string scratch;
  const std::string_view id = worker.program->delivery.view();
  const proto::Decoded decoded = proto::Decode(WithId(line.text, id, scratch));
  if (std::holds_alternative<proto::Blank>(decoded)) return;
  const auto* message = std::get_if<proto::FromWorker>(&decoded);
  if (message != nullptr && IsControl(*message)) {
    if (const auto* request = std::get_if<proto::EnqueueRequest>(message)) {
      proto::EnqueueRequest without_reply = *request;  // nobody would read it
      without_reply.ref.clear();
      OnWorkerEnqueue(worker, without_reply, line.text);
    } else {
      OnMessage(worker, *message, line.text);
    }
    return;
  }
  if (++worker.program->refused > kMostRefused) return;
  std::string why = "only progress, data, log, heartbeat and enqueue can stand on descriptor 3";
  if (const auto* garbage = std::get_if<proto::Garbage>(&decoded)) why = garbage->why;
  if (const auto* bad = std::get_if<proto::Malformed>(&decoded)) why = bad->why;
  log::Warn("control line refused", {{"worker", worker.name},
                                     {"job", JobOf(worker)},
                                     {"why", why},
                                     {"line", line.text.substr(0, kQuoted)}});
}

void Supervisor::OnProgramGone(SlotId id, const io::ExitStatus& status) {
  WorkerProcess* const found = Find(id);
  if (found == nullptr || found->program == nullptr) return;
  WorkerProcess& worker = *found;
  if (worker.child != nullptr) {
    if (const auto residue = worker.program->control.Finish()) OnControlLine(worker, *residue);
    if (const auto residue = worker.err.Finish()) OnStderrLine(worker, residue->text);
    ReportDropped(worker);
    worker.child->SignalGroup(SIGKILL);
    log::Debug("program ended", {{"worker", worker.name},
                                 {"pid", worker.child->pid()},
                                 {"job", JobOf(worker)},
                                 {"status", status.ToString()}});
  }
  const bool started = worker.child != nullptr;
  worker.child.reset();
  const Slot& slot = core_->slot(id);
  const bool no_start = !status.exec_error.empty() && (!started || IsTransient(status.exec_error));
  if (no_start) core_->OnUndelivered(id, worker.program->delivery.view());
  const bool settle = worker.program->too_long || (!no_start && !EndedByUs(slot, status));
  if (settle) SettleProgram(worker, status);
  worker.program.reset();
  if (settle && !IsClimbing(slot)) return;
  Exit exit{std::nullopt, std::nullopt, status.ToString(), false, worker.stderr_tail};
  if (!no_start) {
    (status.signal != 0 ? exit.signal : exit.code) =
        status.signal != 0 ? status.signal : status.code;
  }
  EndLife(id, exit);
}

void Supervisor::SettleProgram(WorkerProcess& worker, const io::ExitStatus& status) {
  std::string scratch;
  const Verdict verdict = Judge(worker, status, scratch);
  OutcomeReport report;
  report.message = verdict.message;
  report.bytes = verdict.result;
  std::string error;
  if (verdict.meaning != ExitMeaning::kDone) {
    error = proto::MakeError(verdict.code, verdict.message, worker.stderr_tail);
    report.bytes = error;
  }
  switch (verdict.meaning) {
    case ExitMeaning::kDone:
      if (log::Enabled(log::Level::kDebug)) {
        log::Debug("job done", {{"worker", worker.name}, {"job", JobOf(worker)}});
      }
      break;
    case ExitMeaning::kPermanent: report.retry = false; [[fallthrough]];
    case ExitMeaning::kRetry: report.kind = Outcome::kFail; break;
    case ExitMeaning::kLost: report.kind = Outcome::kLost; break;
    case ExitMeaning::kAbort:
    case ExitMeaning::kHold:
      report.kind = Outcome::kAbort;
      report.requeue = true;
      break;
  }
  (void)core_->OnOutcome(worker.slot, worker.program->delivery.view(), report, loop_.Now());
  if (verdict.meaning == ExitMeaning::kHold) {
    core_->OnHold(
        worker.slot,
        "'" + worker.profile->command.front() + "' cannot do its work: " + verdict.message,
        loop_.Now());
  }
}

}  // namespace workmand
