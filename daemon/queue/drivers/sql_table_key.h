// What the drivers `postgres` and `mysql` take from a profile in the same way. Pure.
#pragma once

#include <string>

#include "daemon/base/result.h"
#include "daemon/queue/drivers/sql_jobs.h"
#include "daemon/queue/drivers/sql_queue.h"
#include "daemon/queue/options.h"
#include "daemon/queue/registry.h"

namespace workmand::sql {

/// The key `table`.
[[nodiscard]] inline Result<std::string> TableOf(const QueueOptions& options) {
  auto table = GetString(options, "table", "workman_jobs");
  if (!table || IsTableName(*table)) return table;
  return Fail(ErrorCode::kInvalid,
              "must be the name of a table, of up to 40 letters, digits and underscores, or"
              " SCHEMA.TABLE (got \"" +
                  *table + "\")");
}

inline void TakeTimes(const DriverConfig& config, QueueSettings& settings) {
  settings.lease_time = config.lease_time;
  settings.result_ttl = config.result_ttl;
  settings.dead_letter_retention = config.dead_letter_retention;
  settings.interval = config.dequeue_interval;
}

}  // namespace workmand::sql
