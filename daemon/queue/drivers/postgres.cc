// The driver `postgres`: its keys, what it can do, and how it is put together. The work is done by
// SqlQueue over PostgresSql and PgSession. docs/queues/postgres.md says what it promises.
#include <array>
#include <libpq-fe.h>
#include <string>
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/pg_session.h"
#include "daemon/queue/drivers/postgres_sql.h"
#include "daemon/queue/drivers/sql_queue.h"
#include "daemon/queue/drivers/sql_table_key.h"
#include "daemon/queue/options.h"

namespace workmand {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"table", "url"});

/// The `url`, once libpq can read it. What libpq says about a bad one may hold the password.
Result<std::string> UrlOf(const QueueOptions& options) {
  auto url = GetString(options, "url", "");
  if (!url) return url;
  const bool scheme = url->starts_with("postgresql://") || url->starts_with("postgres://");
  if (!scheme) return Fail(ErrorCode::kInvalid, "must be postgresql://USER:PASSWORD@HOST:PORT/DB");
  PQconninfoOption* parsed = PQconninfoParse(url->c_str(), nullptr);
  if (parsed == nullptr) {
    return Fail(ErrorCode::kInvalid,
                "cannot be read: is a / : @ or % in the user or password written as %2F %3A %40"
                " %25, and are the parameters behind the ? known to libpq?");
  }
  PQconninfoFree(parsed);
  return url;
}

Caps PostgresCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kForeground | Cap::kPriority | Cap::kUnique | Cap::kDelay |
              Cap::kAttempts | Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kHoldSurvives | Cap::kLease | Cap::kProgress | Cap::kPartialData |
              Cap::kDurable | Cap::kDeadLetter | Cap::kOrdered | Cap::kCount | Cap::kConfirmedAck |
              Cap::kAtLeastOnce | Cap::kUncountedAbort;
  return caps;
}

std::vector<QueueKeyError> CheckPostgresOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  CheckValue("url", UrlOf(options), errors);
  CheckValue("table", sql::TableOf(options), errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenPostgres(const DriverConfig& config, Role role) {
  const auto url = UrlOf(config.options);
  if (!url) return tl::unexpected(url.error());
  const auto table = sql::TableOf(config.options);
  if (!table) return tl::unexpected(table.error());
  sql::QueueSettings settings;
  settings.driver = "postgres";
  settings.caps = PostgresCaps();
  settings.sql = std::make_unique<sql::PostgresSql>(*table);
  settings.connect = [url = *url, name = "workmand " + config.profile_name] {
    return std::make_unique<sql::PgSession>(url, name);
  };
  sql::TakeTimes(config, settings);
  return std::make_unique<sql::SqlQueue>(std::move(settings), role);
}

}  // namespace
}  // namespace workmand

WORKMAN_QUEUE_DRIVER("postgres", workmand::PostgresCaps, workmand::CheckPostgresOptions,
                     workmand::OpenPostgres)
