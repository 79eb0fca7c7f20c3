#include "daemon/core/lifecycle.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the document shows the very table that runs", "[lifecycle]") {
  const std::string document = ReadFile(SOURCE_DIR "/docs/lifecycle.md");

  INFO("docs/lifecycle.md must contain:\n" << PrintTable());
  CHECK(document.find(PrintTable()) != std::string::npos);
}

TEST_CASE("every cell ends with a row that always applies or is empty", "[lifecycle]") {
  std::map<std::pair<State, Event>, Guard> last;
  for (const Rule& rule : Rules()) {
    const auto cell = std::make_pair(rule.state, rule.event);
    const auto seen = last.find(cell);
    INFO(ToString(rule.state) << " " << ToString(rule.event));
    CHECK((seen == last.end() || seen->second != Guard::kAlways));
    last[cell] = rule.guard;
  }
  for (const auto& [cell, guard] : last) {
    INFO(ToString(cell.first) << " " << ToString(cell.second));
    CHECK(guard == Guard::kAlways);
  }
}

TEST_CASE("the grid of all states and events holds the promises of the life cycle", "[lifecycle]") {
  for (const State state : kAllStates) {
    for (const Event event : kAllEvents) {
      for (unsigned bits = 0; bits < 8; ++bits) {
        const Facts facts{(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0};
        const std::optional<Step> step = Advance(state, event, facts);
        INFO(ToString(state) << " + " << ToString(event));
        if (event == Event::kGone) {
          CHECK(step.has_value() == (state != State::kDown));
          if (step) CHECK(step->next == State::kDown);
          if (step) CHECK(step->Does(Effect::kSettleRest));
          continue;
        }
        if (!step) continue;
        // Only a new life goes back to an earlier state, but for busy and idle.
        const bool forward = step->next >= state;
        const bool idle_again = state == State::kBusy && step->next == State::kIdle;
        CHECK((forward || idle_again));
        // Each signal belongs to one way of entering a state.
        CHECK(step->Does(Effect::kAbort) ==
              (step->next == State::kAborting && state != step->next));
        CHECK(step->Does(Effect::kKill) == (step->next == State::kKilling &&
                                            (event == Event::kDeadline || event == Event::kForce)));
        // SIGKILL is only ever the step after SIGABRT.
        if (step->next == State::kKilling) CHECK(state >= State::kAborting);
        // Stdin is closed at the latest when a worker is told to go without a job.
        if (step->next == State::kClosing && state != State::kClosing) {
          CHECK(step->Does(Effect::kCloseStdin));
        }
        CHECK((event != Event::kAssign || step->Does(Effect::kSend)));
      }
    }
  }
}

TEST_CASE("every state has a way down that needs nobody's help", "[lifecycle]") {
  for (const State state : kAllStates) {
    if (state == State::kDown) continue;
    // From a stop on, deadlines alone lead to SIGKILL.
    State at = state;
    if (const auto step = Advance(at, Event::kStop, {})) at = step->next;
    for (int i = 0; i < 5 && at != State::kKilling; ++i) {
      const auto step = Advance(at, Event::kDeadline, {});
      REQUIRE(step.has_value());
      at = step->next;
    }
    INFO(ToString(state));
    CHECK(at == State::kKilling);
  }
}

TEST_CASE("every name of an enum is its own", "[lifecycle]") {
  std::set<std::string_view> states;
  for (const State state : kAllStates) states.insert(ToString(state));
  std::set<std::string_view> events;
  for (const Event event : kAllEvents) events.insert(ToString(event));
  CHECK(states.size() == kAllStates.size());
  CHECK(events.size() == kAllEvents.size());
}

}  // namespace workmand
