// The life of a worker as a table: state x event -> next state and what to do. Data that can be
// printed (docs/lifecycle.md is compared with it by a test). Pure: no clock, no process, no job.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/core/types.h"

namespace workmand {

/// What a step does, as a set of bits.
enum class Effect : std::uint16_t {
  kNothing = 0,
  kSpawn = 1U << 0U,
  kOpen = 1U << 1U,           ///< the slot takes jobs from now on
  kSend = 1U << 2U,           ///< write the job
  kSettle = 1U << 3U,         ///< tell the queue what became of the job
  kNotice = 1U << 4U,         ///< the shutdown message
  kTermIfHandled = 1U << 5U,  ///< SIGTERM to a worker that announced it (stop_signal decides)
  kCloseStdin = 1U << 6U,
  kTerm = 1U << 7U,         ///< SIGTERM (unless stop_signal is `never`)
  kAbort = 1U << 8U,        ///< `cancel` for each job in flight, then SIGABRT
  kKill = 1U << 9U,         ///< SIGKILL to the process group
  kSettleRest = 1U << 10U,  ///< settle what is in flight by why the worker ended
  kCount = 1U << 11U,       ///< counted and logged, nothing else
  kAlarm = 1U << 12U,       ///< SIGKILL had no effect: say so, replace the slot
};
constexpr std::uint16_t operator|(Effect a, Effect b) {
  return static_cast<std::uint16_t>(static_cast<std::uint16_t>(a) | static_cast<std::uint16_t>(b));
}
constexpr std::uint16_t operator|(std::uint16_t a, Effect b) {
  return static_cast<std::uint16_t>(a | static_cast<std::uint16_t>(b));
}

/// When a row applies. Rows of a cell are tried in order; the last is kAlways.
enum class Guard : std::uint8_t {
  kAlways,
  kMoreInFlight,  ///< other jobs are still in flight after this outcome
  kSevere,        ///< a violation that ends the worker
  kTermPending,   ///< the TERM that follows EOF was not sent yet
};

/// What the guards look at.
struct Facts {
  bool more_in_flight = false;
  bool severe = false;
  bool term_pending = false;
};

struct Rule {
  State state;
  Event event;
  Guard guard;
  State next;
  std::uint16_t effects;
};

struct Step {
  State next;
  std::uint16_t effects;
  [[nodiscard]] bool Does(Effect effect) const {
    return (effects & static_cast<std::uint16_t>(effect)) != 0;
  }
};

/// The whole table, in the order of the document.
std::span<const Rule> Rules();
/// The step for an event; nothing where the table has no row: the event means nothing there.
std::optional<Step> Advance(State state, Event event, const Facts& facts);
/// The table as Markdown, one column an event: what docs/lifecycle.md must contain.
std::string PrintTable();
std::string_view ToString(Guard guard);

}  // namespace workmand
