#include "daemon/cli/test_queue.h"

#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "daemon/cli/live_queue.h"
#include "daemon/cli/open_profile.h"
#include "daemon/queue/conformance.h"

namespace workmand::cli {
namespace {

std::string RandomPrefix() {
  std::random_device random;
  std::string prefix = "test-queue.";
  for (int i = 0; i < 2; ++i) prefix += std::to_string(random()) + ".";
  return prefix;
}

std::unique_ptr<Queue> Open(DriverConfig config, Role role, Duration lease) {
  config.lease_time = lease;
  Result<std::unique_ptr<Queue>> queue = OpenQueue(config, role);
  if (!queue) throw std::runtime_error(queue.error().message);
  return std::move(*queue);
}

ExitCode RunCases(const DriverConfig& config, const std::string& only) {
  const std::string& driver = config.options.driver;
  ConformanceFixture fixture;
  fixture.driver = driver;
  fixture.open = [&config](Role role, Duration lease) { return Open(config, role, lease); };
  const std::vector<CaseResult> results = RunConformance(fixture, only);
  if (results.empty()) {
    Complain("there is no case " + only);
    return ExitCode::kUsage;
  }
  std::string table = PrintConformance(driver, results);
  if (table.ends_with('\n')) table.pop_back();
  const ExitCode printed = PrintLine(table);
  return Passed(results) ? printed : ExitCode::kFailed;
}

}  // namespace

ExitCode RunTestQueue(const std::string& profile_path, const std::string& only) {
  const std::optional<Profile> profile = OpenProfile(profile_path);
  if (!profile) return ExitCode::kBadProfile;
  DriverConfig config = MakeDriverConfig(*profile);
  config.ledger = false;  // the driver itself is tested
  config.options.prefix += RandomPrefix();
  const Result<std::unique_ptr<Queue>> queue = ConnectQueue(config);
  if (!queue) {
    Complain(queue.error().message);
    return ExitCode::kFailed;
  }
  (*queue)->Disconnect();
  const Result<DriverInfo> driver = FindDriver(config.options.driver);
  if (driver && driver->local) {
    Complain("a " + config.options.driver +
             " queue lives in its daemon; this tries one of its own");
  } else {
    Complain("this puts jobs of its own on the queue and takes them, as tasks " +
             config.options.prefix + "*; other jobs are left alone");
  }
  try {
    return RunCases(config, only);
  } catch (const std::exception& error) {
    Complain(error.what());
    return ExitCode::kFailed;
  }
}

}  // namespace workmand::cli
