// The words of core: states, events, reasons. Every enum has a ToString that log and docs use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace workmand {

/// What a worker slot is. docs/lifecycle.md shows every state and what leaves it.
enum class State : std::uint8_t {
  kDown,      ///< no process
  kBooting,   ///< spawned, not ready yet
  kIdle,      ///< ready, nothing in flight
  kBusy,      ///< at least one job in flight
  kDraining,  ///< told to stop, finishing what is in flight
  kClosing,   ///< nothing in flight, stdin closed, about to exit
  kAborting,  ///< got SIGABRT
  kKilling,   ///< got SIGKILL
};
inline constexpr std::array kAllStates{State::kDown,     State::kBooting,  State::kIdle,
                                       State::kBusy,     State::kDraining, State::kClosing,
                                       State::kAborting, State::kKilling};

/// What can happen to it.
enum class Event : std::uint8_t {
  kStart,      ///< a worker is wanted here
  kReady,      ///< the worker announced its tasks
  kAssign,     ///< a job is given to it
  kOutcome,    ///< done, fail or abort of one job
  kStop,       ///< it shall go: stop, restart, recycle, scale, idle, retire
  kViolation,  ///< it broke the protocol
  kForce,      ///< one rung further now (second TERM, QUIT, a write that hangs)
  kDeadline,   ///< the earliest deadline of the state has come
  kGone,       ///< the process has ended
};
inline constexpr std::array kAllEvents{Event::kStart,   Event::kReady,    Event::kAssign,
                                       Event::kOutcome, Event::kStop,     Event::kViolation,
                                       Event::kForce,   Event::kDeadline, Event::kGone};

/// Why a worker was told to go; the `reason` of the shutdown message (where kLifetime is
/// "recycle").
enum class StopReason : std::uint8_t {
  kStop,
  kRestart,
  kRecycle,
  kLifetime,
  kScale,
  kIdle,
  kRetire
};

/// A rung of the ladder notice -> TERM -> ABRT -> KILL that sends a signal.
enum class Rung : std::uint8_t { kTerm, kAbort, kKill };

/// Why a rung was taken, or why a life ended: a value, never a state.
enum class Cause : std::uint8_t {
  kNone,          ///< nobody asked: it ended by itself
  kAsked,         ///< it was told to stop, and went
  kGraceOver,     ///< told to stop, and did not end in time
  kForced,        ///< the operator's second signal, or QUIT
  kTimeLimit,     ///< a job ran longer than its time limit
  kStalled,       ///< a job gave no sign of life for stall_timeout
  kViolation,     ///< a protocol violation that ends the worker
  kStartTimeout,  ///< not ready within start_timeout
  kExitGrace,     ///< did not exit after its stdin was closed
  kNotReading,    ///< took no byte of a job for write_timeout, or closed its stdin
  kStdoutClosed,  ///< closed its stdout and went on living
  kSpawnFailed,   ///< could not be started at all
};

enum class CancelReason : std::uint8_t { kTimeout, kShutdown };

std::string_view ToString(State state);
std::string_view ToString(Event event);
std::string_view ToString(StopReason reason);
std::string_view ToString(Rung rung);
/// A phrase for log and status: "did not end within its grace".
std::string_view ToString(Cause cause);
std::string_view ToString(CancelReason reason);

}  // namespace workmand
