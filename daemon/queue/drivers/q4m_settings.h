// What the driver `q4m` is told by its keys: which tables are the queue, and what their columns
// mean. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/base/result.h"
#include "daemon/profile/load.h"
#include "daemon/profile/profile.h"
#include "daemon/queue/drivers/my_session.h"

namespace workmand::q4m {

struct Table {
  std::string database;
  std::string name;
  std::string label;  ///< as the profile says it
  /// As queue_wait wants it.
  [[nodiscard]] std::string Plain() const { return database + "." + name; }
  /// As a statement wants it.
  [[nodiscard]] std::string Quoted() const { return "`" + database + "`.`" + name + "`"; }
};

struct Settings {
  sql::MyServer server;
  std::vector<Table> tables;  ///< the most urgent first
  std::string task_column;    ///< empty: the task of a row is its table's name
  std::string args_column = "args";
  std::string
      id_column;  ///< empty: a row has a number of the engine's, which its producer never learns
};

/// The settings, as far as they are right; `errors` gets a sentence for each key that is not.
[[nodiscard]] Settings ReadSettings(const QueueOptions& options,
                                    std::vector<QueueKeyError>& errors);

/// The table that a job is put in. Fails with a sentence for one that cannot be put.
[[nodiscard]] Result<const Table*> TableFor(const Settings& settings, const Enqueue& job);

/// What the table at `index` says of the priority of its jobs.
[[nodiscard]] Priority PriorityOf(const Settings& settings, std::size_t index);

/// Whether all three priorities have a table.
[[nodiscard]] bool HasPriorities(const Settings& settings);

}  // namespace workmand::q4m
