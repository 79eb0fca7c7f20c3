// The driver `mysql`, for MariaDB and MySQL: its keys, what it can do, and how it is put together.
// The work is done by SqlQueue over MysqlSql and MySession. docs/queues/mysql.md says what it
// promises.
#include <array>
#include <string>
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/my_session.h"
#include "daemon/queue/drivers/mysql_sql.h"
#include "daemon/queue/drivers/mysql_url.h"
#include "daemon/queue/drivers/sql_queue.h"
#include "daemon/queue/drivers/sql_table_key.h"
#include "daemon/queue/options.h"

namespace workmand {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"table", "url"});

Result<sql::MyServer> ServerOf(const QueueOptions& options) {
  const auto url = GetString(options, "url", "");
  if (!url) return tl::unexpected(url.error());
  return sql::ParseMysqlUrl(*url);
}

Caps MysqlCaps() {
  Caps caps;
  caps.bits = Cap::kForeground | Cap::kPriority | Cap::kUnique | Cap::kDelay | Cap::kAttempts |
              Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay | Cap::kHoldSurvives |
              Cap::kLease | Cap::kProgress | Cap::kPartialData | Cap::kDurable | Cap::kDeadLetter |
              Cap::kOrdered | Cap::kCount | Cap::kConfirmedAck | Cap::kAtLeastOnce |
              Cap::kUncountedAbort;
  return caps;
}

std::vector<QueueKeyError> CheckMysqlOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  CheckValue("url", ServerOf(options), errors);
  CheckValue("table", sql::TableOf(options), errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenMysql(const DriverConfig& config, Role role) {
  const auto server = ServerOf(config.options);
  if (!server) return tl::unexpected(server.error());
  const auto table = sql::TableOf(config.options);
  if (!table) return tl::unexpected(table.error());
  sql::QueueSettings settings;
  settings.driver = "mysql";
  settings.caps = MysqlCaps();
  settings.sql = std::make_unique<sql::MysqlSql>(*table);
  settings.connect = [server = *server] { return std::make_unique<sql::MySession>(server); };
  settings.two_steps = true;
  sql::TakeTimes(config, settings);
  return std::make_unique<sql::SqlQueue>(std::move(settings), role);
}

}  // namespace
}  // namespace workmand

WORKMAN_QUEUE_DRIVER("mysql", workmand::MysqlCaps, workmand::CheckMysqlOptions, workmand::OpenMysql)
