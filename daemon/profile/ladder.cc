#include "daemon/profile/ladder.h"

#include <utility>

#include "daemon/profile/mode_keys.h"
#include "daemon/profile/units.h"

namespace workmand {
namespace {

/// An idle worker, and one that is done, gets SIGTERM so long after its stdin was closed.
constexpr Duration kTermAfterEof{1'000};
/// What workmand itself needs after its last worker: settlements, disconnecting.
constexpr Duration kTidyUp{2'000};
constexpr int kRenewalsPerLease = 3;

/// kInfinite stays infinite.
Duration Add(Duration a, Duration b) {
  return a == kInfinite || b == kInfinite ? kInfinite : a + b;
}

/// A line with what stands in the column of moments, flush right.
std::string Line(const std::string& moment, const std::string& what) {
  constexpr std::size_t kWidth = 8;
  std::string line(moment.size() < kWidth ? kWidth - moment.size() : 0, ' ');
  line.append(moment).append("  ").append(what).append("\n");
  return line;
}

/// One rung: the moment, and what happens then.
std::string Rung(Duration when, const std::string& what) {
  return Line(when == kInfinite ? "never" : PrintDuration(when), what);
}

/// What belongs to no moment.
std::string Note(const std::string& what) {
  return Line("", what);
}

/// The signal of the abort rung.
std::string AbortName(const Profile& profile) {
  if (profile.mode != Mode::kExec) return "SIGABRT";
  return "SIG" + std::string(SignalName(profile.exec.abort_signal));
}

std::string TermRule(StopSignal signal) {
  const std::string later = PrintDuration(kTermAfterEof) + " after stdin closed";
  switch (signal) {
    case StopSignal::kAuto: return "SIGTERM to busy workers that announced it, to others " + later;
    case StopSignal::kAlways: return "SIGTERM to every worker";
    case StopSignal::kNone: return "no SIGTERM to workers";
  }
  return "";
}

/// The rungs below the notice, the same for a stop and for a restart.
std::string PrintRungs(const Profile& profile, Duration graceful, std::string_view key) {
  std::string text;
  if (profile.mode == Mode::kExec) {
    text += Rung(Duration{0}, "no program is started any more; those that run are waited for");
    if (profile.stop_signal == StopSignal::kAlways) {
      text += Rung(Duration{0}, "SIGTERM to every program (stop_signal)");
    }
    text += Rung(graceful, AbortName(profile) + " (" + std::string(key) + ")");
  } else {
    text += Rung(Duration{0}, "notice; stdin closes when nothing is in flight");
    text += Rung(Duration{0}, TermRule(profile.stop_signal) + " (stop_signal)");
    text +=
        Rung(graceful, "SIGABRT (" + std::string(key) + "), sooner " +
                           PrintDuration(profile.exit_grace) + " after stdin closed (exit_grace)");
  }
  text +=
      Rung(Add(graceful, profile.abort_timeout), "SIGKILL to the process group (abort_timeout)");
  return text;
}

/// A filter is told by the end of its input first: what it kept in its buffer shows then.
std::string PrintLimit(const Profile& profile, Duration limit, const std::string& whose) {
  const std::string key =
      whose.empty() ? ", the attempt counts (time_limit)" : " (time_limit of the task)";
  if (profile.mode != Mode::kLines) {
    return Rung(limit, whose + AbortName(profile) + key);
  }
  return Rung(limit, whose + "stdin closes" + key) + Rung(limit + kTermAfterEof, whose + "SIGABRT");
}

std::string PrintJob(const Profile& profile) {
  std::string text = "a job, from its start:\n";
  if (profile.soft_time_limit.count() > 0) {
    text += Rung(profile.soft_time_limit, "cancel, to workers that know it (soft_time_limit)");
  }
  if (profile.time_limit.count() == 0) {
    text += Note("no time limit");
    if (profile.mode == Mode::kLines) {
      text += Note("a filter that buffers its output never answers, and nothing ends it");
    }
  } else {
    text += PrintLimit(profile, profile.time_limit, "");
    const Duration told = profile.mode == Mode::kLines ? kTermAfterEof : Duration{0};
    text += Rung(profile.time_limit + told + profile.abort_timeout, "SIGKILL (abort_timeout)");
  }
  for (const auto& [name, task] : profile.tasks) {
    if (!task.time_limit) continue;
    text += task.time_limit->count() == 0 ? Note(name + ": no time limit")
                                          : PrintLimit(profile, *task.time_limit, name + ": ");
  }
  if (profile.stall_timeout.count() > 0) {
    text += Rung(profile.stall_timeout,
                 "without a sign of life: " + AbortName(profile) + " (stall_timeout)");
  }
  return text +
         Note("its lease lasts " + PrintDuration(profile.lease_time) + " and is renewed every " +
              PrintDuration(profile.lease_time / kRenewalsPerLease) +
              " while it runs (lease_time)");
}

std::string PrintStart(const Profile& profile) {
  if (profile.mode == Mode::kExec) return "";
  const Duration limit = profile.start_timeout;
  std::string text = "a worker that does not get ready, from its start:\n";
  text += Rung(limit, "stdin closes (start_timeout)");
  text += Rung(limit + kTermAfterEof, "SIGABRT");
  return text + Rung(limit + kTermAfterEof + profile.abort_timeout, "SIGKILL (abort_timeout)");
}

ProfileError GraceError(std::string sentence) {
  return {"", {}, "WORKMAN_STOP_GRACE", std::move(sentence)};
}

}  // namespace

std::string PrintLadder(const Profile& profile) {
  const Duration stop = profile.graceful_shutdown_timeout;
  std::string text = "stop (SIGTERM or SIGINT to workmand):\n";
  text += PrintRungs(profile, stop, "graceful_shutdown_timeout");
  text += Rung(Add(Add(stop, profile.abort_timeout), kTidyUp), "workmand has ended");
  text += "restart (SIGHUP to workmand), for each worker from its own notice:\n";
  text += PrintRungs(profile, profile.restart_timeout(), "graceful_restart_timeout");
  return text + PrintJob(profile) + PrintStart(profile);
}

std::vector<ProfileError> CheckLadder(const Profile& profile,
                                      const std::map<std::string, std::string>& environment) {
  const auto stated = environment.find("WORKMAN_STOP_GRACE");
  if (stated == environment.end() || stated->second.empty()) return {};
  const auto grace = ParseDuration(stated->second);
  if (!grace) return {GraceError(grace.error().message)};
  const Duration needed =
      Add(Add(profile.graceful_shutdown_timeout, profile.abort_timeout), kTidyUp);
  if (needed <= *grace) return {};
  const std::string sum = PrintDuration(profile.graceful_shutdown_timeout) + " + " +
                          PrintDuration(profile.abort_timeout) + " + " + PrintDuration(kTidyUp);
  const std::string total = needed == kInfinite ? "" : " = " + PrintDuration(needed);
  return {{profile.path,
           {},
           "graceful_shutdown_timeout",
           "does not fit into WORKMAN_STOP_GRACE=" + stated->second +
               ": graceful_shutdown_timeout + abort_timeout + 2s is " + sum + total}};
}

}  // namespace workmand
