#include "daemon/queue/registry.h"

#include <array>
#include <utility>

#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/memory_store.h"
#include "daemon/queue/drivers/process_identity.h"
#include "daemon/queue/ledger.h"
#include "daemon/queue/modules.h"
#include "daemon/queue/options.h"
#include "daemon/queue/prefix.h"

namespace workmand {
namespace {

struct Driver {
  std::string_view name;
  std::string_view needs;
  bool local;
  Caps (*caps)();
  std::vector<QueueKeyError> (*check)(const QueueOptions&);
  Result<std::unique_ptr<Queue>> (*open)(const DriverConfig&, Role);
};

constexpr auto kDrivers = std::to_array<Driver>({
    {"sqlite", "", false, SqliteCaps, CheckSqliteOptions, OpenSqlite},
    {"gearman", "", false, GearmanCaps, CheckGearmanOptions, OpenGearman},
    {"memory", "", true, MemoryCaps, CheckMemoryOptions, OpenMemory},
});

/// The project's own drivers that are loadable modules, and what each is built with: an absent one
/// is then told apart from a word that names no driver at all.
struct KnownModule {
  std::string_view name;
  std::string_view needs;
};

constexpr auto kModules = std::to_array<KnownModule>({
    {"redis", "libhiredis"},
    {"resque", "libhiredis"},
    {"sidekiq", "libhiredis"},
    {"celery", "libhiredis and librabbitmq"},
    {"postgres", "libpq"},
    {"mysql", "libmariadb"},
    {"theschwartz", "libpq and libmariadb"},
    {"qudo", "libpq and libmariadb"},
    {"q4m", "libmariadb"},
    {"amqp", "librabbitmq"},
    {"beanstalkd", "no library"},
    {"nats", "libnats"},
    {"zeromq", "libzmq"},
    {"kafka", "librdkafka"},
});

const KnownModule* FindKnownModule(std::string_view name) {
  for (const KnownModule& module : kModules) {
    if (module.name == name) return &module;
  }
  return nullptr;
}

std::string Missing(const KnownModule& module, std::span<const std::string> folders) {
  const std::vector<std::string_view> places(folders.begin(), folders.end());
  return "the driver \"" + std::string(module.name) + "\" is a module that is not installed: no " +
         std::string(module.name) + ".so in " + (places.empty() ? "no folder" : JoinWords(places)) +
         " (it is built where " + std::string(module.needs) +
         " is, and a distributor may package it apart; WORKMAN_QUEUE_PATH names other folders)";
}

std::string NoSuchDriver(std::string_view name, std::span<const std::string> folders) {
  const std::vector<std::string> installed = ListModules(folders);
  std::vector<std::string_view> names;
  names.reserve(std::size(kDrivers) + installed.size());
  for (const Driver& driver : kDrivers) names.push_back(driver.name);
  names.insert(names.end(), installed.begin(), installed.end());
  std::string sentence =
      "there is no driver \"" + std::string(name) + "\"; installed are " + JoinWords(names);
  for (const KnownModule& module : kModules) names.push_back(module.name);
  const std::string_view near = Nearest(name, names);
  if (!near.empty()) sentence += " (did you mean \"" + std::string(near) + "\"?)";
  return sentence;
}

Result<Driver> Find(std::string_view name) {
  for (const Driver& driver : kDrivers) {
    if (driver.name == name) return driver;
  }
  const std::vector<std::string> folders = ModuleFolders();
  const KnownModule* const known = FindKnownModule(name);
  const Result<const DriverModule*> module = LoadModule(name, folders);
  if (module) {
    const std::string_view needs = known == nullptr ? "a module" : known->needs;
    const DriverModule& own = **module;
    return Driver{own.name, needs, false, own.caps, own.check, own.open};
  }
  if (module.error().code != ErrorCode::kNotFound) return tl::unexpected(module.error());
  return Fail(ErrorCode::kNotFound,
              known == nullptr ? NoSuchDriver(name, folders) : Missing(*known, folders));
}

DriverInfo Describe(const Driver& driver) {
  return {driver.name, driver.caps(), driver.needs, driver.local};
}

}  // namespace

std::vector<QueueKeyError> CheckQueueOptions(const QueueOptions& options) {
  const Result<Driver> driver = Find(options.driver);
  if (!driver) return {{"driver", driver.error().message}};
  return driver->check(options);
}

Result<DriverInfo> FindDriver(std::string_view name) {
  return Find(name).map(Describe);
}

std::vector<DriverInfo> AllDrivers() {
  std::vector<DriverInfo> all;
  all.reserve(std::size(kDrivers));
  for (const Driver& driver : kDrivers) all.push_back(Describe(driver));
  for (const std::string& name : ListModules(ModuleFolders())) {
    if (const Result<Driver> driver = Find(name)) all.push_back(Describe(*driver));
  }
  return all;
}

Result<std::unique_ptr<Queue>> OpenQueue(const DriverConfig& config, Role role) {
  const Result<Driver> driver = Find(config.options.driver);
  if (!driver) return tl::unexpected(driver.error());
  auto opened = driver->open(config, role);
  if (!opened) {
    opened.error().message = "queue " + config.options.driver + ": " + opened.error().message;
    return opened;
  }
  auto queue = WithPrefix(std::move(*opened), config.options.prefix);
  if (!config.ledger || driver->local) return queue;
  LedgerOptions ledger;
  ledger.path = config.state_dir + "/" + config.profile_name;
  ledger.retention = config.dead_letter_retention;
  ledger.counts = role == Role::kConsumer;
  ledger.boot = ThisProcess().boot_id;
  ledger.clock = [] {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  };
  return WithLedger(std::move(queue), std::move(ledger));
}

DriverConfig MakeDriverConfig(const Profile& profile) {
  DriverConfig config;
  config.options = profile.queue;
  config.profile_name = profile.name;
  config.directory = profile.directory;
  config.state_dir = profile.state_dir;
  config.lease_time = profile.lease_time;
  config.result_ttl = profile.result_ttl;
  config.dead_letter_retention = profile.dead_letter_retention;
  config.dequeue_interval = profile.dequeue_interval;
  config.ledger = true;
  config.memory_store = std::make_shared<MemoryStore>();
  return config;
}

}  // namespace workmand
