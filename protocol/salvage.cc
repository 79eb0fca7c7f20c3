#include <algorithm>
#include <array>
#include <cstddef>

#include "protocol/decode.h"

namespace workman::protocol {
namespace {

constexpr std::string_view kTypeKey = "\"type\"";

/// How many candidates of one line are decoded at most: a hostile line must not cost more than a
/// few passes over it.
constexpr int kMaxCandidates = 16;

std::string_view SkipSpace(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

/// Whether `text`, which begins with the key `"type"`, goes on with the type of an outcome.
bool NamesOutcome(std::string_view text) {
  text = SkipSpace(text.substr(kTypeKey.size()));
  if (text.empty() || text.front() != ':') return false;
  text = SkipSpace(text.substr(1));
  constexpr std::array<std::string_view, 3> kOutcomes{"\"done\"", "\"fail\"", "\"abort\""};
  return std::any_of(kOutcomes.begin(), kOutcomes.end(), [text](std::string_view outcome) {
    return text.substr(0, outcome.size()) == outcome;
  });
}

/// The live id that occurs last in the line: what was glued before the outcome comes earlier.
std::string_view LastLiveId(std::string_view line, std::span<const std::string_view> live_ids) {
  std::string_view last;
  std::size_t last_at = 0;
  for (const std::string_view id : live_ids) {
    const std::size_t at = line.rfind(id);
    if (at == std::string_view::npos || (!last.empty() && at < last_at)) continue;
    last = id;
    last_at = at;
  }
  return last;
}

/// The id of `text` when it is a whole outcome of a live delivery.
std::string_view OutcomeId(std::string_view text, std::span<const std::string_view> live_ids) {
  const Decoded decoded = Decode(text);
  const auto* message = std::get_if<FromWorker>(&decoded);
  if (message == nullptr) return {};
  std::string_view id;
  if (const auto* done = std::get_if<Done>(message)) id = done->id;
  if (const auto* fail = std::get_if<Fail>(message)) id = fail->id;
  if (const auto* abort = std::get_if<Abort>(message)) id = abort->id;
  const auto live = std::find(live_ids.begin(), live_ids.end(), id);
  return live == live_ids.end() ? std::string_view() : *live;
}

}  // namespace

Salvage FindOutcome(std::string_view line, std::span<const std::string_view> live_ids) {
  Salvage salvage;
  salvage.id = LastLiveId(line, live_ids);
  if (salvage.id.empty()) return salvage;
  int candidates = 0;
  // From the last to the first: of two glued messages the later one is whole, and a result may
  // itself contain objects that look like one.
  std::size_t at = line.rfind(kTypeKey);
  while (at != std::string_view::npos) {
    if (NamesOutcome(line.substr(at))) {
      salvage.damaged = true;
      const bool opens = at > 0 && line[at - 1] == '{' && candidates < kMaxCandidates;
      const std::string_view id =
          opens ? OutcomeId(line.substr(at - 1), live_ids) : std::string_view();
      if (!id.empty()) return Salvage{true, id, line.substr(at - 1)};
      candidates += opens ? 1 : 0;
    }
    if (at == 0) break;
    at = line.rfind(kTypeKey, at - 1);
  }
  if (!salvage.damaged) salvage.id = {};
  return salvage;
}

}  // namespace workman::protocol
