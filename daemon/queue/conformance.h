// The contract of a driver as a suite of numbered cases: what queue.h promises, tried on a real
// queue. A library, so that both the project's tests and `workman test-queue` run it, also on
// drivers that are not the project's own. It starts no server: the fixture knows how.
//
// A case that needs a capability which the driver does not claim is not run, and says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand {

/// What is tried, and the means to try it with.
struct ConformanceFixture {
  std::string driver;
  /// Makes an instance, not connected. All instances see the same queue. The suite uses names of
  /// tasks that begin with "contract."; it leaves jobs behind only where a case fails.
  std::function<std::unique_ptr<Queue>(Role, Duration lease)> open;
  /// Control of the server; empty where there is none, or none may be stopped.
  std::function<void()> stop_server;
  std::function<void()> start_server;
  std::function<void()> freeze_server;
  std::function<void()> thaw_server;
  /// The words that start a process which calls RunConformanceHelper with the words that the suite
  /// puts behind them, on the same queue. Empty where no other process sees the queue.
  std::vector<std::string> helper;
  /// The server's port on 127.0.0.1, and how to open an instance that connects to another port
  /// there, where the suite listens. 0 and empty where there is no such server.
  std::uint16_t server_port = 0;
  std::function<std::unique_ptr<Queue>(Role, Duration lease, std::uint16_t port)> open_at;
  /// Answers that are wrong in the words of the server's own protocol: sizes beyond every limit and
  /// the like. The suite knows what is wrong in every protocol by itself.
  std::vector<std::string> bad_answers;
};

enum class Verdict { kPass, kFail, kNotApplicable };

struct CaseResult {
  int number = 0;
  std::string name;
  std::string needs;  ///< capabilities in words; empty = every driver must pass
  Verdict verdict = Verdict::kFail;
  std::string detail;  ///< why it failed or does not apply; or what was found
  Duration took{0};
};

/// Runs the cases in order of their numbers. `filter`: a number, or a part of a name; empty = all.
/// Blocks; connects and disconnects instances, on threads of its own where a case says so.
std::vector<CaseResult> RunConformance(const ConformanceFixture& fixture, std::string_view filter);

/// What a process does that the suite started (ConformanceFixture::helper): consumes, and reports
/// on stdout. Only `open` of the fixture is used. Returns the exit status; mostly it is killed.
int RunConformanceHelper(const ConformanceFixture& fixture, std::span<const std::string> words);

/// The results as a table for a person, with a last line that counts them.
std::string PrintConformance(std::string_view driver, const std::vector<CaseResult>& results);

[[nodiscard]] bool Passed(const std::vector<CaseResult>& results);

}  // namespace workmand
