#include "daemon/queue/drivers/leased_queue.h"

#include <algorithm>
#include <utility>

namespace workmand::sql {

void LeasedQueue::Connect() {
  Disconnect();
  session_ = settings_.connect();
  looking_ = false;
  due_ = TimePoint{};
  // Others work in the tables meanwhile, and a file is locked for all of it.
  With([&](Session&) {
    Retrying([&] {
      CheckTables();
      ReadFunctions();
    });
  });
}

void LeasedQueue::CheckTables() {
  try {
    session_->RunOne(format().ListFunctions());
  } catch (const Conflict&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw ConnectionLost(settings_.driver + ": its tables cannot be read (" + error.what() +
                         "); they are made by the queue's own schema, not by workman");
  }
  // The column came with a later version of the schema.
  settings_.format->has_priority = true;
  try {
    session_->RunOne({"SELECT priority FROM job WHERE 1 = 0", {}});
  } catch (const Conflict&) {
    throw;
  } catch (const std::runtime_error&) {
    settings_.format->has_priority = false;
  }
}

void LeasedQueue::ReadFunctions() {
  const Rows rows = session_->RunOne(format().ListFunctions());
  functions_.clear();
  names_.clear();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    functions_[std::string(rows.Bytes(row, 1))] = rows.Int(row, 0);
    names_[rows.Int(row, 0)] = rows.Bytes(row, 1);
  }
}

void LeasedQueue::Disconnect() noexcept {
  GiveBackSpare();
  session_.reset();
  looking_ = false;
}

void LeasedQueue::GiveBackSpare() noexcept {
  try {
    if (session_ != nullptr) {
      With([&](Session& session) {
        for (const Job& job : spare_) {
          session.RunOne(format().PutBack(held_.at(job.token.value), Duration{0}, false));
        }
      });
    }
  } catch (const std::exception&) {
    // What it held comes back by its lease.
  }
  for (const Job& job : spare_) held_.erase(job.token.value);
  spare_.clear();
}

Duration LeasedQueue::Tick() {
  // Jobs that were grabbed and that nobody has asked for since.
  GiveBackSpare();
  if (session_ == nullptr) throw ConnectionLost(settings_.driver + ": the connection was lost");
  return std::max(settings_.lease_time / 2, Duration{100});
}

void LeasedQueue::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  every_task_ = false;
  for (const Subscription& subscription : tasks) {
    every_task_ = every_task_ || subscription.task == "*";
    const bool known = std::find(tasks_.begin(), tasks_.end(), subscription.task) != tasks_.end();
    if (!known) tasks_.push_back(subscription.task);
  }
  GiveBackSpare();
  due_ = TimePoint{};
}

std::int64_t LeasedQueue::FunctionOf(const std::string& task) {
  const auto found = functions_.find(task);
  return found == functions_.end() ? 0 : found->second;
}

std::int64_t LeasedQueue::MakeFunction(const std::string& task) {
  if (const std::int64_t id = FunctionOf(task); id != 0) return id;
  session_->RunOne(format().AddFunction(task));
  ReadFunctions();
  if (const std::int64_t id = FunctionOf(task); id != 0) return id;
  throw Rejected("the server does not keep the name of the task as it is");
}

std::string LeasedQueue::Put(const Enqueue& job) {
  if (job.task.empty()) throw Rejected("a job needs the name of a task");
  if (job.task == "*") throw Rejected("\"*\" is not the name of a task");
  if (job.foreground) throw Rejected(settings_.driver + " cannot give results to a caller");
  if (job.max_attempts > 0) throw Rejected(settings_.driver + " keeps no max_attempts of a job");
  if (job.priority != Priority::kNormal && !settings_.caps.Has(Cap::kPriority)) {
    throw Rejected(settings_.driver + " keeps no priority");
  }
  constexpr std::size_t kLongest = 255;
  if (job.task.size() > kLongest || job.unique.size() > kLongest) {
    throw Rejected("the name of a task and a unique key have at most 255 bytes");
  }
  return With([&](Session& session) {
    std::vector<Statement> statements;
    format().Insert(job, MakeFunction(job.task), statements);
    const auto rows = Retrying([&] { return session.Run(statements); });
    return std::to_string(format().FoundId(rows));
  });
}

std::optional<std::uint64_t> LeasedQueue::Size(std::string_view task) {
  return With([&](Session& session) -> std::optional<std::uint64_t> {
    std::int64_t function = 0;
    if (!task.empty()) {
      ReadFunctions();
      function = FunctionOf(std::string(task));
      if (function == 0) return 0;
    }
    return static_cast<std::uint64_t>(session.RunOne(format().Count(function)).Int(0, 0));
  });
}

}  // namespace workmand::sql
