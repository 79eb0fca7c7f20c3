// queue_contract DRIVER [FILTER]: runs the contract of a driver against what it starts itself (a
// file in a temporary folder, a server) and prints the table. Exit status: 0 = all passed, 1 = not,
// 64 = usage, 77 = the server is not installed. `--capabilities` instead of a driver prints the
// bits of every one.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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

/// Which program serves the driver, or DRIVER/ENGINE, and the key and the text before the address
/// by which the driver is told of it.
struct DriverServer {
  const char* what;
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
    {"celery/rabbitmq", RabbitProgram, "url", "amqp://"},
    {"amqp", RabbitProgram, "url", "amqp://"},
    {"beanstalkd", BeanstalkdProgram, "url", "beanstalk://"},
    {"nats", NatsProgram, "url", "nats://"},
});

/// Sizes that no answer has, in the server's own protocol.
std::vector<std::string> BadAnswers(const std::string& value) {
  using namespace std::string_literals;
  if (value.starts_with("redis:")) return {"*-5\r\n", "$-7\r\n", "*99999999999\r\n"};
  if (value.starts_with("postgresql:")) return {"R\x7f\xff\xff\xff\0\0\0\0"s, "T\0\0\0\2"s};
  if (value.starts_with("mysql:")) return {"\1\0\0\0\x42"s};
  if (value.starts_with("beanstalk:")) return {"XYZZY\r\n", "RESERVED x -1\r\n"};
  if (value.starts_with("amqp:")) return {"\x09\0\0\xff\xff\xff\xff"s};
  return {"\0RES\0\0\0\x0b\xff\xff\xff\xff"s, "\0RES\0\0\0\x1f\0\0\0\1x"s};
}

/// How the driver is told of its queue: a key of its own; "" = none.
struct QueueKey {
  std::string name;
  std::string value;
};

/// What one run tries: the servers that it started, and the fixture, which points into it.
struct Setup {
  TemporaryFolder folder;
  std::optional<TestServer> server;
  std::unique_ptr<SqlServer> sql_server;
  DriverConfig config;
  ConformanceFixture fixture;
};

template <typename Server>
void Control(Server& server, ConformanceFixture& fixture) {
  fixture.stop_server = [&server] { server.Stop(); };
  fixture.start_server = [&server] { server.Start(); };
  fixture.freeze_server = [&server] { server.Freeze(); };
  fixture.thaw_server = [&server] { server.Thaw(); };
  fixture.server_port = server.port();
}

/// The queues of tests/q4m/stand_in.sql, which always waits for all three.
void AddStandInKeys(QueueOptions& options) {
  QueueOptions::Value& tables = options.extra["tables"];
  tables.is_list = true;
  tables.list = {"urgent", "usual", "idle"};
  options.extra["task_column"] = Value("task");
  options.extra["id_column"] = Value("job");
}

DriverConfig Configure(const std::string& driver, const std::string& folder, const QueueKey& key) {
  Profile profile;
  profile.name = "contract";
  profile.directory = folder;
  profile.state_dir = folder;
  profile.queue.driver = driver;
  if (!key.name.empty()) profile.queue.extra[key.name] = Value(key.value);
  if (driver == "q4m") AddStandInKeys(profile.queue);
  // The daemons that die here are to be missed soon.
  if (driver == "kafka") profile.queue.extra["session_timeout"] = Value("4s");
  DriverConfig config = MakeDriverConfig(profile);
  config.ledger = false;  // the driver itself is tested
  for (const QueueKeyError& error : CheckQueueOptions(config.options)) {
    throw std::runtime_error("queue." + error.key + ": " + error.sentence);
  }
  return config;
}

std::unique_ptr<Queue> Open(DriverConfig config, Role role, Duration lease) {
  config.lease_time = lease;
  auto opened = OpenQueue(config, role);
  if (!opened) throw std::runtime_error(opened.error().message);
  return std::move(*opened);
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// The drivers in the tables of an SQL server; `engine`: sqlite, mysql or postgres. No server is
/// started for a file. False: the server is not installed.
bool ServeSql(const std::string& driver, const std::string& engine, Setup& setup) {
  const std::string& folder = setup.folder.path();
  if (engine == "sqlite") {
    // As docs/queues/theschwartz.md advises.
    std::ofstream(folder + "/tables.sql") << "PRAGMA journal_mode = WAL;\n"
                                          << LeasedTables(driver, engine);
    const std::string make = "sqlite3 " + folder + "/jobs.db >/dev/null <" + folder + "/tables.sql";
    return std::system(make.c_str()) == 0;  // NOLINT(cert-env33-c): a test of ours
  }
  const auto kind = engine == "mysql" ? SqlServer::Kind::kMariadb : SqlServer::Kind::kPostgres;
  if (!SqlServer::Installed(kind)) return false;
  setup.sql_server = std::make_unique<SqlServer>(kind, folder);
  setup.sql_server->Start();
  if (driver == "q4m") {
    setup.sql_server->RunSql(ReadFile(Q4M_STAND_IN));
  } else if (driver != engine) {
    setup.sql_server->RunSql(LeasedTables(driver, engine));
  }
  Control(*setup.sql_server, setup.fixture);
  return true;
}

/// A broker that keeps its topics in memory cannot be killed and come back with them: it is told to
/// be away for a while.
QueueKey ServeKafka(Setup& setup) {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  setup.server.emplace(KafkaProgram(program.parent_path() / "kafka_broker"), setup.folder.path());
  TestServer& server = *setup.server;
  server.Start();
  Control(server, setup.fixture);
  setup.fixture.stop_server = [&server] { (void)server.Ask("down\n"); };
  setup.fixture.start_server = [&server] { (void)server.Ask("up\n"); };
  // A client goes where the broker says that it is: no relay can stand before it.
  setup.fixture.server_port = 0;
  std::string where = server.Ask("where\n");
  where.resize(where.find('\n'));
  return {"url", "kafka://" + where};
}

/// Starts what the driver needs, and returns how it is told of it, at the server's own port or
/// another. Nothing: the server is not installed.
std::function<QueueKey(std::uint16_t)> Serve(const std::string& driver, const std::string& engine,
                                             Setup& setup) {
  const std::string file = setup.folder.path() + "/jobs.db";
  for (const DriverServer& entry : kServers) {
    if (driver + (driver == engine ? "" : "/" + engine) != entry.what) continue;
    setup.server.emplace(entry.program(), setup.folder.path());
    if (!setup.server->Installed()) return {};
    setup.server->Start();
    Control(*setup.server, setup.fixture);
    return [&entry](std::uint16_t port) {
      return QueueKey{entry.key, entry.before + ("127.0.0.1:" + std::to_string(port))};
    };
  }
  // There is no server: the consumer of a case listens, and `engine` is the kind of its socket.
  if (driver == "zeromq") {
    return [engine, endpoint = "tcp://127.0.0.1:" + std::to_string(FreePort())](std::uint16_t) {
      return QueueKey{engine, endpoint};
    };
  }
  if (driver == "kafka") return [key = ServeKafka(setup)](std::uint16_t) { return key; };
  if (driver != engine || driver == "postgres" || driver == "mysql") {
    if (!ServeSql(driver, engine, setup)) return {};
    if (!setup.sql_server)
      return [file](std::uint16_t) { return QueueKey{"url", "sqlite:///" + file}; };
    return [&setup](std::uint16_t port) { return QueueKey{"url", setup.sql_server->UrlAt(port)}; };
  }
  if (driver == "sqlite") return [file](std::uint16_t) { return QueueKey{"path", file}; };
  return [](std::uint16_t) { return QueueKey{}; };
}

/// `what` is a driver, or DRIVER/ENGINE for one that works on several, or in several ways.
int Run(const std::string& what, const std::string& filter) {
  const std::string driver = what.substr(0, what.find('/'));
  const std::string engine = what.substr(what.find('/') + 1);
  Setup setup;
  ConformanceFixture& fixture = setup.fixture;
  const auto key_at = Serve(driver, engine, setup);
  if (!key_at) {
    std::cerr << "SKIP: the server of " << what << " is not installed\n";
    return kSkipped;
  }
  const QueueKey key = key_at(fixture.server_port);
  setup.config = Configure(driver, setup.folder.path(), key);
  // Case 43 and its like know how coarse a queue's clock is, not how long its driver sleeps.
  if (driver != engine) setup.config.dequeue_interval = Duration{100};
  fixture.driver = driver;
  fixture.open = [&setup](Role role, Duration lease) { return Open(setup.config, role, lease); };
  if (fixture.server_port != 0) {
    fixture.open_at = [&](Role role, Duration lease, std::uint16_t port) {
      return Open(Configure(driver, setup.folder.path(), key_at(port)), role, lease);
    };
    fixture.bad_answers = BadAnswers(key.value);
  }
  const Result<DriverInfo> info = FindDriver(driver);
  if (info && !info->local) {
    const std::string program = std::filesystem::read_symlink("/proc/self/exe");
    fixture.helper = {program, "--helper", driver, setup.folder.path(), key.name, key.value};
  }
  const auto results = RunConformance(fixture, filter);
  std::cout << PrintConformance(what, results);
  return Passed(results) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// A process that the suite has started: DRIVER FOLDER KEY VALUE, and the suite's own words.
int Help(const std::vector<std::string>& words) {
  constexpr std::size_t kOurs = 4;
  if (words.size() < kOurs) return kUsage;
  const DriverConfig config = Configure(words[0], words[1], {words[2], words[3]});
  ConformanceFixture fixture;
  fixture.driver = words[0];
  fixture.open = [&config](Role role, Duration lease) { return Open(config, role, lease); };
  return RunConformanceHelper(fixture, std::span(words).subspan(kOurs));
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
  const bool helps = argc > 1 && std::string(argv[1]) == "--helper";
  if (!helps && (argc < 2 || argc > 3)) {
    std::cerr << "usage: queue_contract DRIVER [FILTER]\n";
    return kUsage;
  }
  try {
    if (helps) return Help({argv + 2, argv + argc});
    if (std::string(argv[1]) == "--capabilities") return PrintCapabilities();
    return Run(argv[1], argc == 3 ? argv[2] : "");
  } catch (const std::exception& error) {
    std::cerr << "queue_contract: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
