// A pump around a FakeQueue for the tests: keeps what it drains and waits for what must come.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/queue/pump.h"
#include "tests/unit/queue/fake_queue.h"

namespace workmand {

inline PumpOptions QuickOptions() {
  PumpOptions options;
  options.backoff_min = Duration{1};
  options.backoff_max = Duration{2};
  return options;
}

class PumpHarness {
 public:
  std::shared_ptr<Script> script = std::make_shared<Script>();
  PumpBatch batch;
  std::vector<PumpState::Link> links;
  std::vector<std::string> errors;
  int sessions_lost = 0;
  std::string lost_because;

  Pump& Start(const PumpOptions& options = QuickOptions()) {
    pump_ = std::make_unique<Pump>(std::make_unique<FakeQueue>(script), options,
                                   [this] { bell_.Ring(); });
    return *pump_;
  }
  Pump& pump() { return *pump_; }

  void Drain() {
    pump_->Drain(batch);
    if (batch.session_lost) {
      ++sessions_lost;
      lost_because = batch.lost_because;
      batch.session_lost = false;
    }
    if (!batch.state) return;
    links.push_back(batch.state->link);
    errors.push_back(batch.state->error);
    depth = batch.state->depth;
    batch.state.reset();
  }
  /// Drains until `enough` holds; false when nothing came before the deadline.
  bool Until(const std::function<bool()>& enough) {
    Drain();
    while (!enough()) {
      if (!bell_.Wait()) return false;
      Drain();
    }
    return true;
  }
  bool UntilJobs(std::size_t n) {
    return Until([&] { return batch.jobs.size() >= n; });
  }
  bool UntilApplied(std::size_t n) {
    return Until([&] { return batch.applied.size() >= n; });
  }
  bool UntilLink(PumpState::Link link) {
    return Until([&] { return std::find(links.begin(), links.end(), link) != links.end(); });
  }

  std::optional<std::uint64_t> depth;

 private:
  Bell bell_;
  std::unique_ptr<Pump> pump_;
};

/// As of somebody who wants to know what became of them.
inline std::vector<Update> Dones(std::size_t n) {
  std::vector<Update> updates(n);
  for (std::size_t i = 0; i < n; ++i) {
    updates[i].token = Token{i + 1};
    updates[i].source = 1;
  }
  return updates;
}

inline void Post(PumpHarness& harness, std::vector<Update> updates, bool urgent = true) {
  harness.pump().Post(updates, urgent);
  CHECK(updates.empty());
}

}  // namespace workmand
