#include "daemon/core/lifecycle.h"

#include <array>
#include <iterator>
#include <utility>

namespace workmand {
namespace {

using S = State;
using E = Event;
using G = Guard;
using F = Effect;

constexpr std::uint16_t Do(Effect effect) {
  return static_cast<std::uint16_t>(effect);
}

constexpr Rule kRules[] = {
    {S::kDown, E::kStart, G::kAlways, S::kBooting, Do(F::kSpawn)},
    {S::kDown, E::kStop, G::kAlways, S::kDown, Do(F::kNothing)},

    {S::kBooting, E::kReady, G::kAlways, S::kIdle, Do(F::kOpen)},
    {S::kBooting, E::kOutcome, G::kAlways, S::kAborting, F::kCount | F::kAbort},
    {S::kBooting, E::kStop, G::kAlways, S::kClosing, F::kNotice | F::kCloseStdin},
    {S::kBooting, E::kViolation, G::kSevere, S::kAborting, F::kCount | F::kAbort},
    {S::kBooting, E::kViolation, G::kAlways, S::kBooting, Do(F::kCount)},
    {S::kBooting, E::kForce, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kBooting, E::kDeadline, G::kAlways, S::kClosing, Do(F::kCloseStdin)},
    {S::kBooting, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},

    {S::kIdle, E::kReady, G::kAlways, S::kIdle, Do(F::kCount)},
    {S::kIdle, E::kAssign, G::kAlways, S::kBusy, Do(F::kSend)},
    {S::kIdle, E::kOutcome, G::kAlways, S::kIdle, Do(F::kCount)},
    {S::kIdle, E::kStop, G::kAlways, S::kClosing, F::kNotice | F::kCloseStdin},
    {S::kIdle, E::kViolation, G::kSevere, S::kAborting, F::kCount | F::kAbort},
    {S::kIdle, E::kViolation, G::kAlways, S::kIdle, Do(F::kCount)},
    {S::kIdle, E::kForce, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kIdle, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},

    {S::kBusy, E::kReady, G::kAlways, S::kBusy, Do(F::kCount)},
    {S::kBusy, E::kAssign, G::kAlways, S::kBusy, Do(F::kSend)},
    {S::kBusy, E::kOutcome, G::kMoreInFlight, S::kBusy, Do(F::kSettle)},
    {S::kBusy, E::kOutcome, G::kAlways, S::kIdle, Do(F::kSettle)},
    {S::kBusy, E::kStop, G::kAlways, S::kDraining, F::kNotice | F::kTermIfHandled},
    {S::kBusy, E::kViolation, G::kSevere, S::kAborting, F::kCount | F::kAbort},
    {S::kBusy, E::kViolation, G::kAlways, S::kBusy, Do(F::kCount)},
    {S::kBusy, E::kForce, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kBusy, E::kDeadline, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kBusy, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},

    {S::kDraining, E::kReady, G::kAlways, S::kDraining, Do(F::kCount)},
    {S::kDraining, E::kOutcome, G::kMoreInFlight, S::kDraining, Do(F::kSettle)},
    {S::kDraining, E::kOutcome, G::kAlways, S::kClosing, F::kSettle | F::kCloseStdin},
    {S::kDraining, E::kStop, G::kAlways, S::kDraining, Do(F::kNothing)},
    {S::kDraining, E::kViolation, G::kSevere, S::kAborting, F::kCount | F::kAbort},
    {S::kDraining, E::kViolation, G::kAlways, S::kDraining, Do(F::kCount)},
    {S::kDraining, E::kForce, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kDraining, E::kDeadline, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kDraining, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},

    {S::kClosing, E::kReady, G::kAlways, S::kClosing, Do(F::kCount)},
    {S::kClosing, E::kOutcome, G::kAlways, S::kClosing, Do(F::kCount)},
    {S::kClosing, E::kStop, G::kAlways, S::kClosing, Do(F::kNothing)},
    {S::kClosing, E::kViolation, G::kAlways, S::kClosing, Do(F::kCount)},
    {S::kClosing, E::kForce, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kClosing, E::kDeadline, G::kTermPending, S::kClosing, Do(F::kTerm)},
    {S::kClosing, E::kDeadline, G::kAlways, S::kAborting, Do(F::kAbort)},
    {S::kClosing, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},

    {S::kAborting, E::kReady, G::kAlways, S::kAborting, Do(F::kCount)},
    {S::kAborting, E::kOutcome, G::kAlways, S::kAborting, Do(F::kSettle)},
    {S::kAborting, E::kStop, G::kAlways, S::kAborting, Do(F::kNothing)},
    {S::kAborting, E::kViolation, G::kAlways, S::kAborting, Do(F::kCount)},
    {S::kAborting, E::kForce, G::kAlways, S::kKilling, Do(F::kKill)},
    {S::kAborting, E::kDeadline, G::kAlways, S::kKilling, Do(F::kKill)},
    {S::kAborting, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},

    {S::kKilling, E::kReady, G::kAlways, S::kKilling, Do(F::kCount)},
    {S::kKilling, E::kOutcome, G::kAlways, S::kKilling, Do(F::kSettle)},
    {S::kKilling, E::kStop, G::kAlways, S::kKilling, Do(F::kNothing)},
    {S::kKilling, E::kViolation, G::kAlways, S::kKilling, Do(F::kCount)},
    {S::kKilling, E::kForce, G::kAlways, S::kKilling, Do(F::kKill)},
    {S::kKilling, E::kDeadline, G::kAlways, S::kKilling, F::kKill | F::kAlarm},
    {S::kKilling, E::kGone, G::kAlways, S::kDown, Do(F::kSettleRest)},
};

constexpr std::size_t kStates = std::size(kAllStates);
constexpr std::size_t kEvents = std::size(kAllEvents);

/// The first row of each cell, or the number of rows. The rows of a cell stand together.
constexpr auto kFirstRow = [] {
  std::array<std::array<std::uint8_t, kEvents>, kStates> first{};
  for (auto& cells : first) cells.fill(static_cast<std::uint8_t>(std::size(kRules)));
  for (std::size_t row = std::size(kRules); row-- > 0;) {
    first[static_cast<std::size_t>(kRules[row].state)]
         [static_cast<std::size_t>(kRules[row].event)] = static_cast<std::uint8_t>(row);
  }
  return first;
}();

constexpr std::pair<Effect, std::string_view> kEffectNames[] = {
    {F::kSpawn, "spawn"},        {F::kOpen, "takes jobs"}, {F::kSend, "send job"},
    {F::kSettle, "settle"},      {F::kNotice, "notice"},   {F::kTermIfHandled, "TERM if handled"},
    {F::kCloseStdin, "EOF"},     {F::kTerm, "TERM"},       {F::kCount, "count"},
    {F::kAbort, "cancel, ABRT"}, {F::kKill, "KILL group"}, {F::kSettleRest, "settle the rest"},
    {F::kAlarm, "alarm"},
};

bool Holds(Guard guard, const Facts& facts) {
  switch (guard) {
    case Guard::kAlways: return true;
    case Guard::kMoreInFlight: return facts.more_in_flight;
    case Guard::kSevere: return facts.severe;
    case Guard::kTermPending: return facts.term_pending;
  }
  return false;
}

std::string PrintCell(State state, Event event) {
  std::string cell;
  for (const Rule& rule : kRules) {
    if (rule.state != state || rule.event != event) continue;
    if (!cell.empty()) cell += "; ";
    if (rule.guard != Guard::kAlways) cell += std::string(ToString(rule.guard)) + ": ";
    cell += rule.next == state ? "stays" : ToString(rule.next);
    std::string_view separator = " / ";
    for (const auto& [effect, name] : kEffectNames) {
      if (!Step{rule.next, rule.effects}.Does(effect)) continue;
      cell += separator;
      cell += name;
      separator = ", ";
    }
  }
  return cell.empty() ? "–" : cell;
}

}  // namespace

std::string_view ToString(Guard guard) {
  switch (guard) {
    case Guard::kAlways: return "always";
    case Guard::kMoreInFlight: return "more in flight";
    case Guard::kSevere: return "severe";
    case Guard::kTermPending: return "first";
  }
  return "?";
}

std::span<const Rule> Rules() {
  return kRules;
}

std::optional<Step> Advance(State state, Event event, const Facts& facts) {
  const std::size_t first =
      kFirstRow[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
  for (const Rule& rule : std::span(kRules).subspan(first)) {
    if (rule.state != state || rule.event != event) break;
    if (Holds(rule.guard, facts)) return Step{rule.next, rule.effects};
  }
  return std::nullopt;
}

std::string PrintTable() {
  std::string table = "| state |";
  for (const Event event : kAllEvents) table += " " + std::string(ToString(event)) + " |";
  table += "\n|---|";
  for ([[maybe_unused]] const Event event : kAllEvents) table += "---|";
  table += '\n';
  for (const State state : kAllStates) {
    table += "| " + std::string(ToString(state)) + " |";
    for (const Event event : kAllEvents) table += " " + PrintCell(state, event) + " |";
    table += '\n';
  }
  return table;
}

}  // namespace workmand
