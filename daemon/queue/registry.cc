#include "daemon/queue/registry.h"

#include <array>
#include <utility>

#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/memory_store.h"
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
    {"postgres", "", false, PostgresCaps, CheckPostgresOptions, OpenPostgres},
    {"mysql", "", false, MysqlCaps, CheckMysqlOptions, OpenMysql},
    {"memory", "", true, MemoryCaps, CheckMemoryOptions, OpenMemory},
});

const Driver* Find(std::string_view name) {
  for (const Driver& driver : kDrivers) {
    if (driver.name == name) return &driver;
  }
  return nullptr;
}

std::string NoSuchDriver(std::string_view name) {
  std::vector<std::string_view> names;
  names.reserve(kDrivers.size());
  for (const Driver& driver : kDrivers) names.push_back(driver.name);
  std::string sentence =
      "there is no driver \"" + std::string(name) + "\"; this build has " + JoinWords(names);
  const std::string_view near = Nearest(name, names);
  if (!near.empty()) sentence += " (did you mean \"" + std::string(near) + "\"?)";
  return sentence;
}

DriverInfo Describe(const Driver& driver) {
  return {driver.name, driver.caps(), driver.needs, driver.local};
}

}  // namespace

std::vector<QueueKeyError> CheckQueueOptions(const QueueOptions& options) {
  const Driver* driver = Find(options.driver);
  if (driver == nullptr) return {{"driver", NoSuchDriver(options.driver)}};
  return driver->check(options);
}

Result<DriverInfo> FindDriver(std::string_view name) {
  const Driver* driver = Find(name);
  if (driver == nullptr) return Fail(ErrorCode::kNotFound, NoSuchDriver(name));
  return Describe(*driver);
}

std::vector<DriverInfo> AllDrivers() {
  std::vector<DriverInfo> all;
  all.reserve(kDrivers.size());
  for (const Driver& driver : kDrivers) all.push_back(Describe(driver));
  return all;
}

Result<std::unique_ptr<Queue>> OpenQueue(const DriverConfig& config, Role role) {
  const Driver* driver = Find(config.options.driver);
  if (driver == nullptr) return Fail(ErrorCode::kNotFound, NoSuchDriver(config.options.driver));
  auto opened = driver->open(config, role);
  if (!opened) {
    opened.error().message = "queue " + config.options.driver + ": " + opened.error().message;
    return opened;
  }
  return WithPrefix(std::move(*opened), config.options.prefix);
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
  config.memory_store = std::make_shared<MemoryStore>();
  return config;
}

}  // namespace workmand
