// queue_contract DRIVER [FILTER]: runs the contract of a driver against what it starts itself (a
// file in a temporary folder, a server) and prints the table. Exit status: 0 = all passed, 1 = not,
// 64 = usage, 77 = the server is not installed. `--capabilities` instead of a driver prints the
// bits of every one.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "daemon/queue/conformance.h"
#include "daemon/queue/registry.h"
#include "tests/conformance/leased_tables.h"
#include "tests/conformance/sql_server.h"
#include "tests/conformance/test_server.h"

namespace {

using namespace workmand;  // NOLINT(google-build-using-namespace): a program of one file

constexpr int kUsage = 64;
constexpr int kSkipped = 77;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "queue_contract.XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

QueueOptions::Value Value(std::string text) {
  QueueOptions::Value value;
  value.text = std::move(text);
  return value;
}

/// Which program serves the driver, and the key and the text before the address by which the driver
/// is told of it.
struct DriverServer {
  const char* driver;
  ServerProgram (*program)();
  const char* key;
  const char* before;
};
constexpr auto kServers = std::to_array<DriverServer>({
    {"gearman", GearmandProgram, "job_servers", ""},
    {"redis", RedisProgram, "url", "redis://"},
    {"resque", RedisProgram, "url", "redis://"},
    {"sidekiq", RedisProgram, "url", "redis://"},
    {"celery", RedisProgram, "url", "redis://"},
    {"beanstalkd", BeanstalkdProgram, "url", "beanstalk://"},
    {"nats", NatsProgram, "url", "nats://"},
});

/// The drivers in the tables of an SQL server; `engine`: sqlite, mysql or postgres. `server` stays
/// empty for a file. False: the server is not installed.
bool ServeSql(const std::string& driver, const std::string& engine, const std::string& folder,
              std::unique_ptr<SqlServer>& server, ConformanceFixture& fixture) {
  if (engine == "sqlite") {
    std::ofstream(folder + "/tables.sql") << LeasedTables(driver, engine);
    const std::string make = "sqlite3 " + folder + "/jobs.db <" + folder + "/tables.sql";
    return std::system(make.c_str()) == 0;  // NOLINT(cert-env33-c): a test of ours
  }
  const auto kind = engine == "mysql" ? SqlServer::Kind::kMariadb : SqlServer::Kind::kPostgres;
  if (!SqlServer::Installed(kind)) return false;
  server = std::make_unique<SqlServer>(kind, folder);
  server->Start();
  if (driver != engine) server->RunSql(LeasedTables(driver, engine));
  fixture.stop_server = [&server] { server->Stop(); };
  fixture.start_server = [&server] { server->Start(); };
  fixture.freeze_server = [&server] { server->Freeze(); };
  fixture.thaw_server = [&server] { server->Thaw(); };
  return true;
}

/// `what` is a driver, or DRIVER/ENGINE for one that works on several.
int Run(const std::string& what, const std::string& filter) {
  const std::string driver = what.substr(0, what.find('/'));
  const std::string engine = what.substr(what.find('/') + 1);
  const TemporaryFolder folder;
  std::unique_ptr<SqlServer> sql_server;
  std::optional<TestServer> server;
  Profile profile;
  profile.name = "contract";
  profile.directory = folder.path();
  profile.state_dir = folder.path();
  profile.queue.driver = driver;
  ConformanceFixture fixture;
  fixture.driver = driver;
  if (driver == "sqlite") profile.queue.extra["path"] = Value(folder.path() + "/jobs.db");
  for (const DriverServer& entry : kServers) {
    if (driver != entry.driver) continue;
    server.emplace(entry.program(), folder.path());
    if (!server->Installed()) {
      std::cerr << "SKIP: the server of " << driver << " is not installed\n";
      return kSkipped;
    }
    server->Start();
    profile.queue.extra[entry.key] = Value(entry.before + server->address());
    fixture.stop_server = [&server] { server->Stop(); };
    fixture.start_server = [&server] { server->Start(); };
    fixture.freeze_server = [&server] { server->Freeze(); };
    fixture.thaw_server = [&server] { server->Thaw(); };
  }
  if (driver != engine || driver == "postgres" || driver == "mysql") {
    if (!ServeSql(driver, engine, folder.path(), sql_server, fixture)) {
      std::cerr << "SKIP: the server of " << what << " is not installed\n";
      return kSkipped;
    }
    profile.queue.extra["url"] =
        Value(sql_server ? sql_server->url() : "sqlite:///" + folder.path() + "/jobs.db");
  }
  DriverConfig config = MakeDriverConfig(profile);
  config.ledger = false;  // the driver itself is tested
  for (const QueueKeyError& error : CheckQueueOptions(config.options)) {
    std::cerr << "queue." << error.key << ": " << error.sentence << "\n";
    return EXIT_FAILURE;
  }
  fixture.open = [&config](Role role, Duration lease) {
    DriverConfig own = config;
    own.lease_time = lease;
    auto opened = OpenQueue(own, role);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  };
  const auto results = RunConformance(fixture, filter);
  std::cout << PrintConformance(what, results);
  return Passed(results) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// For matrix.py: a line for each driver that is there.
int PrintCapabilities() {
  for (const DriverInfo& driver : AllDrivers()) {
    std::cout << driver.name << " " << driver.caps.bits << "\n";
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: queue_contract DRIVER [FILTER]\n";
    return kUsage;
  }
  try {
    if (std::string(argv[1]) == "--capabilities") return PrintCapabilities();
    return Run(argv[1], argc == 3 ? argv[2] : "");
  } catch (const std::exception& error) {
    std::cerr << "queue_contract: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
