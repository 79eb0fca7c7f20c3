#include "daemon/queue/drivers/q4m_settings.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "daemon/queue/drivers/mysql_url.h"
#include "daemon/queue/options.h"

namespace workmand::q4m {
namespace {

constexpr auto kKeys =
    std::to_array<std::string_view>({"args_column", "id_column", "tables", "task_column", "url"});

/// MySQL allows more in quotes. These need none, and can stand in what queue_wait is told.
bool IsName(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= kLongest && std::all_of(name.begin(), name.end(), fits);
}

Result<Table> ParseTable(std::string_view text, const std::string& database) {
  const std::size_t dot = text.find('.');
  Table table;
  table.label = text;
  table.database = dot == std::string_view::npos ? database : std::string(text.substr(0, dot));
  table.name = text.substr(dot == std::string_view::npos ? 0 : dot + 1);
  if (IsName(table.name) && IsName(table.database)) return table;
  return Fail(ErrorCode::kInvalid,
              "must name tables, of letters, digits and underscores, or DATABASE.TABLE (got \"" +
                  std::string(text) + "\")");
}

Result<std::vector<Table>> ParseTables(const QueueOptions& options, const std::string& database) {
  const auto names = GetList(options, "tables");
  if (!names) return tl::unexpected(names.error());
  if (names->empty()) return Fail(ErrorCode::kInvalid, "must name a table");
  std::vector<Table> tables;
  for (const std::string& name : *names) {
    auto table = ParseTable(name, database);
    if (!table) return tl::unexpected(table.error());
    const bool twice = std::any_of(tables.begin(), tables.end(), [&table](const Table& other) {
      return other.Plain() == table->Plain();
    });
    // The engine locks each table that it waits for, and would have to lock one twice.
    if (twice) return Fail(ErrorCode::kInvalid, "names a table twice: " + table->Plain());
    tables.push_back(std::move(*table));
  }
  return tables;
}

Result<std::string> ParseColumn(const QueueOptions& options, std::string_view key,
                                std::string_view fallback) {
  auto column = GetString(options, key, fallback);
  if (!column || IsName(*column) || (column->empty() && fallback.empty())) return column;
  return Fail(
      ErrorCode::kInvalid,
      "must be the name of a column, of letters, digits and underscores (got \"" + *column + "\")");
}

void CheckThatTasksDiffer(const Settings& settings, std::vector<QueueKeyError>& errors) {
  for (std::size_t i = 0; i < settings.tables.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (settings.tables[i].name != settings.tables[j].name) continue;
      errors.push_back({"tables", "has two tables with the name " + settings.tables[i].name +
                                      ", which is the task where there is no task_column"});
    }
  }
}

}  // namespace

Settings ReadSettings(const QueueOptions& options, std::vector<QueueKeyError>& errors) {
  Settings settings;
  CheckKnownKeys(options, kKeys, errors);
  const auto url = GetString(options, "url", "");
  const auto server =
      url ? sql::ParseMysqlUrl(*url) : Result<sql::MyServer>(tl::unexpected(url.error()));
  CheckValue("url", server, errors);
  if (server) settings.server = *server;
  // Without a server there is no database, and its error is told already.
  const auto tables = ParseTables(options, server ? settings.server.database : "unknown");
  CheckValue("tables", tables, errors);
  if (tables) settings.tables = *tables;
  for (const auto& [key, fallback, column] :
       {std::tuple("task_column", "", &settings.task_column),
        std::tuple("args_column", "args", &settings.args_column),
        std::tuple("id_column", "", &settings.id_column)}) {
    auto name = ParseColumn(options, key, fallback);
    CheckValue(key, name, errors);
    if (name) *column = std::move(*name);
  }
  if (settings.task_column.empty()) CheckThatTasksDiffer(settings, errors);
  return settings;
}

Priority PriorityOf(const Settings& settings, std::size_t index) {
  const std::size_t count = settings.tables.size();
  if (settings.task_column.empty() || count < 2) return Priority::kNormal;
  if (index == 0) return Priority::kHigh;
  return count >= 3 && index == count - 1 ? Priority::kLow : Priority::kNormal;
}

bool HasPriorities(const Settings& settings) {
  return !settings.task_column.empty() && settings.tables.size() >= 3;
}

Result<const Table*> TableFor(const Settings& settings, const Enqueue& job) {
  const std::vector<Table>& tables = settings.tables;
  if (settings.task_column.empty()) {
    if (job.priority != Priority::kNormal) {
      return Fail(ErrorCode::kInvalid,
                  "q4m has no priority for a job where the table is the task: the order of the"
                  " tables is that of the tasks");
    }
    for (const Table& table : tables) {
      if (table.name == job.task) return &table;
    }
    return Fail(ErrorCode::kInvalid, "q4m has no table for the task \"" + job.task +
                                         "\", and no task_column to write it in");
  }
  switch (job.priority) {
    case Priority::kNormal: return &tables[std::min<std::size_t>(tables.size() - 1, 1)];
    case Priority::kHigh:
      if (tables.size() >= 2) return &tables.front();
      break;
    case Priority::kLow:
      if (tables.size() >= 3) return &tables.back();
      break;
  }
  return Fail(ErrorCode::kInvalid,
              "q4m needs a table for each priority: two for high and normal, three for low");
}

}  // namespace workmand::q4m
