#include "daemon/queue/drivers/leased_open.h"

#include <array>
#include <filesystem>
#include <utility>

#include "daemon/queue/drivers/mysql_url.h"
#include "daemon/queue/drivers/pg_session.h"
#include "daemon/queue/drivers/sqlite_session.h"
#include "daemon/queue/drivers/sqlite_settings.h"

namespace workmand::sql {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"url"});

}  // namespace

Result<LeasedServer> LeasedServerOf(const QueueOptions& options, const std::string& directory) {
  const auto url = GetString(options, "url", "");
  if (!url) return tl::unexpected(url.error());
  LeasedServer server;
  if (url->starts_with("sqlite://")) {
    const auto path = sqlite::PathOfUrl(*url);
    if (!path) return tl::unexpected(path.error());
    const auto file = (std::filesystem::path(directory) / *path).lexically_normal().string();
    server.connect = [file] { return std::make_unique<SqliteSession>(file); };
    return server;
  }
  if (url->starts_with("mysql://") || url->starts_with("mariadb://")) {
    const auto place = ParseMysqlUrl(*url);
    if (!place) return tl::unexpected(place.error());
    server.engine = Engine::kMysql;
    server.connect = [place = *place] { return std::make_unique<MySession>(place); };
    return server;
  }
  if (url->starts_with("postgresql://") || url->starts_with("postgres://")) {
    if (!ParseQueueUrl(*url)) return Fail(ErrorCode::kInvalid, "cannot be read as a URL");
    server.engine = Engine::kPostgres;
    server.connect = [url = *url] { return std::make_unique<PgSession>(url, "workmand"); };
    return server;
  }
  return Fail(ErrorCode::kInvalid, "must begin with sqlite:///, mysql:// or postgresql://");
}

std::vector<QueueKeyError> CheckLeasedOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  CheckValue("url", LeasedServerOf(options, ""), errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenLeased(const DriverConfig& config, Caps caps,
                                          std::unique_ptr<LeasedFormat> format) {
  auto server = LeasedServerOf(config.options, config.directory);
  if (!server) return tl::unexpected(server.error());
  format->dialect.engine = server->engine;
  LeasedSettings settings;
  settings.driver = config.options.driver;
  settings.caps = caps;
  settings.format = std::move(format);
  settings.connect = std::move(server->connect);
  settings.lease_time = config.lease_time;
  settings.interval = config.dequeue_interval;
  return std::make_unique<LeasedQueue>(std::move(settings));
}

}  // namespace workmand::sql
