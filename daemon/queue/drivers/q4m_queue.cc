// The driver `q4m`: the session, and what needs no lane.
#include "daemon/queue/drivers/q4m_queue.h"

#include <array>
#include <cstdio>
#include <random>
#include <string_view>
#include <utility>

namespace workmand::q4m {
namespace {

/// Nobody can guess the next, and two producers never make the same.
std::string MakeId() {
  std::random_device random;
  std::array<char, 25> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "%08x%08x%08x", random(), random(), random());
  return {text.data(), static_cast<std::size_t>(size)};
}

/// What Q4M has no place for.
const char* WhyNot(const Enqueue& job) {
  if (job.task.empty()) return "a job needs the name of a task";
  if (job.task == "*") return "\"*\" is not the name of a task";
  if (job.foreground) return "q4m has no results: nobody can wait for this job";
  if (!job.unique.empty()) return "q4m has no unique keys";
  if (job.delay > Duration{0}) return "q4m has no delayed jobs: a row is there or is not";
  if (job.max_attempts != 0) {
    return "q4m keeps no number of attempts for a job; the profile's max_attempts holds for all";
  }
  return nullptr;
}

const Table& RequireTable(const Settings& settings, const Enqueue& job) {
  if (const char* why = WhyNot(job)) throw Rejected(why);
  const auto table = TableFor(settings, job);
  if (!table) throw Rejected(table.error().message);
  return **table;
}

}  // namespace

Caps Q4mQueue::GetCaps() const {
  Caps caps = Q4mCaps();
  if (!HasPriorities(settings_)) caps.bits &= ~static_cast<std::uint32_t>(Cap::kPriority);
  return caps;
}

sql::MySession& Q4mQueue::Desk() {
  if (desk_ == nullptr) throw ConnectionLost("q4m: not connected");
  return *desk_;
}

void Q4mQueue::Connect() {
  Disconnect();
  desk_ = std::make_unique<sql::MySession>(settings_.server);
  try {
    CheckTables();
  } catch (const Rejected& error) {
    Disconnect();
    throw ConnectionLost(error.what());
  } catch (const ConnectionLost&) {
    Disconnect();
    throw;
  }
}

/// A table or a column that is missing is told now, and not when the first job comes.
void Q4mQueue::CheckTables() {
  std::vector<sql::Statement> statements;
  for (const Table& table : settings_.tables) {
    statements.push_back({"SELECT " + Columns() + " FROM " + table.Quoted() + " LIMIT 0", {}});
  }
  (void)Desk().Run(statements, sql::Frame::kInside);
}

void Q4mQueue::Disconnect() noexcept {
  desk_.reset();
  ready_.clear();
  holds_.clear();
  // The server gives back what they own.
  lanes_.clear();
  burst_ = 1;
  crowded_until_ = {};
}

/// Task, arguments and id of a row, in this order; null where there is no column for it.
std::string Q4mQueue::Columns() const {
  const auto quoted = [](const std::string& name) {
    return name.empty() ? std::string("NULL") : "`" + name + "`";
  };
  return quoted(settings_.task_column) + ", " + quoted(settings_.args_column) + ", " +
         quoted(settings_.id_column);
}

void Q4mQueue::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  every_task_ = false;
  for (const Subscription& entry : tasks) {
    if (entry.task == "*") every_task_ = true;
    tasks_.insert(entry.task);
  }
  left_alone_.clear();
  const bool any = !tasks_.empty() && !settings_.task_column.empty();
  std::vector<std::size_t> watched;
  for (std::size_t i = 0; i < settings_.tables.size(); ++i) {
    if (any || IsOurs(settings_.tables[i].name)) watched.push_back(i);
  }
  if (watched != watched_) {
    // Those who wait wait for the wrong ones, and cannot be told otherwise.
    std::erase_if(lanes_, [](const auto& lane) { return lane->state == Lane::State::kAsked; });
    watched_ = std::move(watched);
  }
  GiveBackParked(kNever);
  GiveBackReady();
}

bool Q4mQueue::IsOurs(const std::string& task) const {
  return every_task_ || tasks_.contains(task);
}

std::string Q4mQueue::Put(const Enqueue& job) {
  const Table& table = RequireTable(settings_, job);
  std::string id = settings_.id_column.empty() ? table.label : MakeId();
  std::string columns = "`" + settings_.args_column + "`";
  std::string marks = "?";
  sql::Statement insert;
  insert.values.emplace_back(sql::Blob{job.payload});
  if (!settings_.task_column.empty()) {
    columns += ", `" + settings_.task_column + "`";
    marks += ", ?";
    insert.values.emplace_back(std::string_view(job.task));
  }
  if (!settings_.id_column.empty()) {
    columns += ", `" + settings_.id_column + "`";
    marks += ", ?";
    insert.values.emplace_back(std::string_view(id));
  }
  insert.sql = "INSERT INTO " + table.Quoted() + " (" + columns + ") VALUES (" + marks + ")";
  (void)Desk().RunOne(insert);
  return id;
}

/// In front of the settlement that they ride with: there is no transaction over both. All are
/// looked at before the first goes in.
bool Q4mQueue::PutFollowUps(const Update& update) {
  try {
    for (const Enqueue& job : update.enqueue) (void)RequireTable(settings_, job);
    for (const Enqueue& job : update.enqueue) (void)Put(job);
  } catch (const Rejected&) {
    return false;
  }
  return true;
}

std::optional<std::uint64_t> Q4mQueue::Size(std::string_view task) {
  std::vector<sql::Statement> statements;
  for (const Table& table : settings_.tables) {
    const bool by_column = !task.empty() && !settings_.task_column.empty();
    if (!task.empty() && !by_column && table.name != task) continue;
    sql::Statement& count = statements.emplace_back();
    // The engine answers COUNT(*) from its header, which counts what is held too; it must look.
    count.sql = "SELECT SUM(1) FROM " + table.Quoted();
    if (!by_column) continue;
    count.sql += " WHERE `" + settings_.task_column + "` = ?";
    count.values.emplace_back(task);
  }
  if (statements.empty()) return 0;
  std::uint64_t sum = 0;
  for (const sql::Rows& rows : Desk().Run(statements, sql::Frame::kInside)) {
    sum += static_cast<std::uint64_t>(rows.Int(0, 0));
  }
  return sum;
}

}  // namespace workmand::q4m
