// What workers say to people: stderr, log messages, the objects of other loggers. No more than so
// many lines a second of each reach the log; the others are counted, and it is said.
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"

namespace workmand {

void Supervisor::OnStderr(WorkerProcess& worker, std::string_view bytes) {
  KeepTail(worker.stderr_tail, bytes);
  worker.err.Feed(bytes, [&](const workman::protocol::Line& line) {
    OnStderrLine(worker, line.text);
    return true;
  });
}

void Supervisor::OnStderrLine(WorkerProcess& worker, std::string_view text) {
  if (!Admit(worker, worker.err_budget, dropped_.err)) return;
  // sd-daemon(3): "<3>text" states a level.
  log::Level level = log::Level::kInfo;
  if (text.size() >= 3 && text[0] == '<' && text[2] == '>' && text[1] >= '0' && text[1] <= '7') {
    level = text[1] <= '3' ? log::Level::kError
                           : (text[1] == '4' ? log::Level::kWarn
                                             : (text[1] == '7' ? log::Level::kDebug : level));
    text.remove_prefix(3);
  }
  if (log::Enabled(level)) {
    log::Write(level, "worker stderr",
               {{"worker", worker.name}, {"job", JobOf(worker)}, {"line", text}});
  }
}

void Supervisor::OnForeign(WorkerProcess& worker, std::string_view line) {
  if (Admit(worker, worker.noise_budget, dropped_.log)) {
    log::Info("worker stdout",
              {{"worker", worker.name}, {"job", JobOf(worker)}, {"line", line.substr(0, kQuoted)}});
  }
  CountNoise(worker, line.size(), 1, line);
}

void Supervisor::OnWorkerLog(WorkerProcess& worker, const workman::protocol::Log& entry) {
  log::Level level = log::Level::kInfo;
  if (entry.level == "fatal") {
    level = log::Level::kError;
  } else if (const auto parsed = log::ParseLevel(entry.level)) {
    level = *parsed;
  }
  if (!log::Enabled(level) || !Admit(worker, worker.log_budget, dropped_.log)) return;
  log::Write(level, "worker log",
             {{"worker", worker.name},
              {"job", JobOf(worker)},
              {"message", entry.message},
              {"fields", entry.fields}});
}

bool Supervisor::Admit(WorkerProcess& worker, LineBudget& budget, std::uint64_t& dropped) {
  if (budget.Take(loop_.Now())) return true;
  ++dropped;
  if (worker.dropped_timer == nullptr) {
    constexpr Duration kSaidAfter{1'000};
    worker.dropped_timer = std::make_unique<io::Timer>(loop_, [this, id = worker.slot] {
      if (WorkerProcess* late = Find(id)) ReportDropped(*late);
    });
    worker.dropped_timer->Set(After(loop_.Now(), kSaidAfter));
  }
  return false;
}

void Supervisor::ReportDropped(WorkerProcess& worker) {
  worker.dropped_timer.reset();
  if (const std::uint64_t lines = worker.err_budget.TakeDropped(); lines > 0) {
    log::Warn("worker stderr dropped", {{"worker", worker.name}, {"lines", lines}});
  }
  if (const std::uint64_t lines = worker.noise_budget.TakeDropped(); lines > 0) {
    log::Warn("worker stdout dropped", {{"worker", worker.name}, {"lines", lines}});
  }
  if (const std::uint64_t lines = worker.log_budget.TakeDropped(); lines > 0) {
    log::Warn("worker log dropped", {{"worker", worker.name}, {"lines", lines}});
  }
}

}  // namespace workmand
