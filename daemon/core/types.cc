#include "daemon/core/types.h"

namespace workmand {

std::string_view ToString(State state) {
  switch (state) {
    case State::kDown: return "down";
    case State::kBooting: return "booting";
    case State::kIdle: return "idle";
    case State::kBusy: return "busy";
    case State::kDraining: return "draining";
    case State::kClosing: return "closing";
    case State::kAborting: return "aborting";
    case State::kKilling: return "killing";
  }
  return "?";
}

std::string_view ToString(Event event) {
  switch (event) {
    case Event::kStart: return "Start";
    case Event::kReady: return "Ready";
    case Event::kAssign: return "Assign";
    case Event::kOutcome: return "Outcome";
    case Event::kStop: return "Stop";
    case Event::kViolation: return "Violation";
    case Event::kForce: return "Force";
    case Event::kDeadline: return "Deadline";
    case Event::kGone: return "Gone";
  }
  return "?";
}

std::string_view ToString(StopReason reason) {
  switch (reason) {
    case StopReason::kStop: return "stop";
    case StopReason::kRestart: return "restart";
    case StopReason::kRecycle: return "recycle";
    case StopReason::kLifetime: return "lifetime";
    case StopReason::kScale: return "scale";
    case StopReason::kIdle: return "idle";
    case StopReason::kRetire: return "retire";
  }
  return "?";
}

std::string_view ToString(Rung rung) {
  switch (rung) {
    case Rung::kTerm: return "TERM";
    case Rung::kAbort: return "ABRT";
    case Rung::kKill: return "KILL";
  }
  return "?";
}

std::string_view ToString(Cause cause) {
  switch (cause) {
    case Cause::kNone: return "ended by itself";
    case Cause::kAsked: return "was told to stop";
    case Cause::kGraceOver: return "did not end within its grace";
    case Cause::kForced: return "an immediate stop was asked for";
    case Cause::kTimeLimit: return "a job ran longer than its time limit";
    case Cause::kStalled: return "a job gave no sign of life";
    case Cause::kViolation: return "broke the protocol";
    case Cause::kStartTimeout: return "was not ready in time";
    case Cause::kExitGrace: return "did not exit after its stdin was closed";
    case Cause::kNotReading: return "does not read its stdin";
    case Cause::kStdoutClosed: return "closed its stdout and went on living";
    case Cause::kSpawnFailed: return "could not be started";
  }
  return "?";
}

std::string_view ToString(CancelReason reason) {
  switch (reason) {
    case CancelReason::kTimeout: return "timeout";
    case CancelReason::kShutdown: return "shutdown";
  }
  return "?";
}

}  // namespace workmand
