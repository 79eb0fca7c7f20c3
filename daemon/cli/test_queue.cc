#include "daemon/cli/test_queue.h"

#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <span>
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

/// The command line of a helper process on the same queue.
std::vector<std::string> HelperWords(const std::string& profile_path, const std::string& prefix) {
  std::vector<std::string> words = {std::filesystem::read_symlink("/proc/self/exe"), "test-queue"};
  if (!profile_path.empty()) words.insert(words.end(), {"-p", profile_path});
  words.insert(words.end(), {"--helper", prefix});
  return words;
}

ExitCode RunCases(const DriverConfig& config, const std::string& only,
                  std::vector<std::string> helper) {
  const std::string& driver = config.options.driver;
  ConformanceFixture fixture;
  fixture.driver = driver;
  fixture.open = [&config](Role role, Duration lease) { return Open(config, role, lease); };
  fixture.helper = std::move(helper);
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
  const std::string prefix = RandomPrefix();
  config.options.prefix += prefix;
  const Result<std::unique_ptr<Queue>> queue = ConnectQueue(config);
  if (!queue) {
    Complain(queue.error().message);
    return ExitCode::kFailed;
  }
  (*queue)->Disconnect();
  const Result<DriverInfo> driver = FindDriver(config.options.driver);
  std::vector<std::string> helper;
  if (driver && driver->local) {
    Complain("a " + config.options.driver +
             " queue lives in its daemon; this tries one of its own");
  } else {
    helper = HelperWords(profile_path, prefix);
    Complain("this puts jobs of its own on the queue and takes them, as tasks " +
             config.options.prefix + "*; other jobs are left alone");
  }
  try {
    return RunCases(config, only, std::move(helper));
  } catch (const std::exception& error) {
    Complain(error.what());
    return ExitCode::kFailed;
  }
}

ExitCode RunTestQueueHelper(const std::string& profile_path,
                            const std::vector<std::string>& words) {
  const std::optional<Profile> profile = OpenProfile(profile_path);
  if (!profile || words.empty()) return ExitCode::kBadProfile;
  DriverConfig config = MakeDriverConfig(*profile);
  config.ledger = false;
  config.options.prefix += words[0];
  ConformanceFixture fixture;
  fixture.driver = config.options.driver;
  fixture.open = [&config](Role role, Duration lease) { return Open(config, role, lease); };
  const int status = RunConformanceHelper(fixture, std::span(words).subspan(1));
  return status == 0 ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace workmand::cli
