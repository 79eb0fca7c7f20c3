#include "daemon/queue/drivers/leased_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/storable.h"

namespace workmand::sql {
namespace {

constexpr Duration kFirstPause{50};
/// A server that is well answers within this; so long a Dequeue of no time waits for it.
constexpr Duration kPromptAnswer{50};
/// A job whose argument we cannot read is left to others for so long.
constexpr Duration kUnreadable{600'000};

}  // namespace

template <typename Work>
auto LeasedQueue::With(Work&& work) {
  if (session_ == nullptr) throw ConnectionLost(settings_.driver + ": not connected");
  try {
    if (looking_) FinishLook();
    return work(*session_);
  } catch (const ConnectionLost&) {
    session_.reset();
    looking_ = false;
    throw;
  }
}

void LeasedQueue::Connect() {
  Disconnect();
  session_ = settings_.connect();
  looking_ = false;
  due_ = TimePoint{};
  With([&](Session&) {
    CheckTables();
    ReadFunctions();
  });
}

void LeasedQueue::CheckTables() {
  try {
    session_->RunOne(format().ListFunctions());
  } catch (const std::runtime_error& error) {
    throw ConnectionLost(settings_.driver + ": its tables cannot be read (" + error.what() +
                         "); they are made by the queue's own schema, not by workman");
  }
  // The column came with a later version of the schema.
  settings_.format->has_priority = true;
  try {
    session_->RunOne({"SELECT priority FROM job WHERE 1 = 0", {}});
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
  if (session_ != nullptr) {
    try {
      With([&](Session& session) {
        for (const Job& job : spare_) {
          session.RunOne(format().PutBack(held_.at(job.token.value), Duration{0}, false));
          held_.erase(job.token.value);
        }
      });
    } catch (const std::exception&) {
      // What it held comes back by its lease.
    }
  }
  session_.reset();
  spare_.clear();
}

void LeasedQueue::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  every_task_ = false;
  for (const Subscription& subscription : tasks) {
    every_task_ = every_task_ || subscription.task == "*";
    const bool known = std::find(tasks_.begin(), tasks_.end(), subscription.task) != tasks_.end();
    if (!known) tasks_.push_back(subscription.task);
  }
  if (session_ != nullptr && looking_) With([](Session&) {});
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

bool LeasedQueue::StartLook(std::size_t n) {
  std::vector<std::int64_t> wanted;
  const bool unknown = std::any_of(tasks_.begin(), tasks_.end(), [&](const std::string& task) {
    return task != "*" && FunctionOf(task) == 0;
  });
  if (unknown || every_task_) ReadFunctions();
  if (every_task_) {
    for (const auto& [id, name] : names_) wanted.push_back(id);
  } else {
    for (const std::string& task : tasks_) {
      if (const std::int64_t id = FunctionOf(task); id != 0) wanted.push_back(id);
    }
  }
  if (wanted.empty()) return false;
  std::rotate(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(turn_++ % wanted.size()),
              wanted.end());
  std::vector<Statement> statements;
  for (const std::int64_t function : wanted) statements.push_back(format().Choose(function, n));
  session_->Send(statements, Frame::kBegin);
  looking_ = true;
  asked_ = n;
  return true;
}

void LeasedQueue::FinishLook() {
  looking_ = false;
  std::vector<Job> jobs;
  try {
    const std::vector<Rows> all = session_->Receive();
    // One of each task in turn.
    std::size_t longest = 0;
    for (const Rows& rows : all) longest = std::max(longest, rows.size());
    std::map<std::int64_t, std::pair<Job, std::string>> chosen;
    std::vector<std::int64_t> ids;
    for (std::size_t row = 0; row < longest; ++row) {
      for (const Rows& rows : all) {
        if (row >= rows.size() || ids.size() >= asked_) continue;
        Job job;
        job.id = std::to_string(rows.Int(row, 0));
        job.task = names_[rows.Int(row, 1)];
        job.unique = rows.Bytes(row, 3);
        job.enqueued_at_ms = rows.Int(row, 4) * 1000;
        job.priority = format().PriorityFrom(rows, row, 5);
        job.attempt = static_cast<int>(rows.Int(row, 6)) + 1;
        job.deliveries = job.attempt;
        ids.push_back(rows.Int(row, 0));
        chosen[ids.back()] = {std::move(job), std::string(rows.Bytes(row, 2))};
      }
    }
    if (ids.empty()) {
      session_->Run({}, Frame::kCommit);
      return;
    }
    std::vector<Statement> grab;
    format().Grab(ids, settings_.lease_time, grab);
    const std::vector<Rows> told = session_->Run(grab, Frame::kCommit);
    std::map<std::int64_t, std::int64_t> until;
    for (std::size_t row = 0; row < told.back().size(); ++row) {
      until[told.back().Int(row, 0)] = told.back().Int(row, 1);
    }
    for (const std::int64_t id : ids) {
      auto& [job, arg] = chosen[id];
      const LeasedHold hold{id, until[id]};
      if (!Decode(job, hold, arg)) continue;
      job.token = Token{++last_token_};
      held_[job.token.value] = hold;
      jobs.push_back(std::move(job));
    }
  } catch (const Conflict&) {
    return;
  }
  Keep(std::move(jobs));
}

void LeasedQueue::Keep(std::vector<Job> jobs) {
  std::move(jobs.begin(), jobs.end(), std::back_inserter(spare_));
}

bool LeasedQueue::Decode(Job& job, const LeasedHold& hold, std::string_view arg) {
  if (!IsStorable(arg)) {
    job.payload = arg;
    return true;
  }
  auto json = StorableToJson(arg);
  if (json) {
    job.payload = std::move(*json);
    return true;
  }
  const std::string why = "workman cannot read the argument: " + json.error().message;
  log::Warn("a job is left to the queue's own workers",
            {{"job", job.id}, {"task", job.task}, {"why", why}});
  std::vector<Statement> statements;
  format().Failed(hold, why, false, statements);
  statements.push_back(format().PutBack(hold, kUnreadable, true));
  session_->Run(statements);
  return false;
}

void LeasedQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                          const Waker& waker) {
  if (n == 0) return;
  if (tasks_.empty()) {
    (void)waker.Wait(-1, 0, timeout);
    return;
  }
  const TimePoint deadline = After(Clock::now(), timeout);
  if (session_ == nullptr) throw ConnectionLost(settings_.driver + ": not connected");
  try {
    for (;;) {
      if (looking_) {
        const Duration patience = std::max(Until(Clock::now(), deadline), kPromptAnswer);
        if (!session_->Await(patience, waker)) return;
        FinishLook();
        pause_ = spare_.empty() ? std::clamp(pause_ * 2, kFirstPause,
                                             std::max(settings_.interval, kFirstPause))
                                : Duration{0};
        due_ = After(Clock::now(), pause_);
      }
      if (!spare_.empty()) {
        const auto end = spare_.begin() + static_cast<std::ptrdiff_t>(std::min(n, spare_.size()));
        std::move(spare_.begin(), end, std::back_inserter(out));
        spare_.erase(spare_.begin(), end);
        return;
      }
      if (Clock::now() >= due_ && StartLook(n)) continue;
      // No such task is known to the queue yet.
      if (Clock::now() >= due_) due_ = After(Clock::now(), kFirstPause);
      if (Clock::now() >= deadline) return;
      const Duration sleep = Until(Clock::now(), std::min(deadline, due_));
      if (session_->WaitForNews(sleep, waker) == Session::News::kWoken) return;
    }
  } catch (const ConnectionLost&) {
    session_.reset();
    looking_ = false;
    throw;
  }
}

Applied LeasedQueue::End(const LeasedHold& hold, const Update& update) {
  std::vector<Statement> statements;
  const bool failed = update.kind == Update::Kind::kFail;
  if (failed) format().Failed(hold, update.bytes, !update.retry, statements);
  const bool back = update.kind == Update::Kind::kAbort || (failed && update.retry);
  statements.push_back(back ? format().PutBack(hold, update.delay, failed) : format().Delete(hold));
  const std::size_t decides = statements.size() - 1;
  for (const Enqueue& job : update.enqueue) {
    if (job.task.empty() || job.task == "*" || job.foreground) return Applied::kRefused;
  }
  const auto rows = Retrying([&] {
    const bool more = !update.enqueue.empty();
    auto told = session_->Run(statements, more ? Frame::kBegin : Frame::kWhole);
    if (!more) return told;
    if (told[decides].changed == 0) {
      session_->Rollback();
      return told;
    }
    std::vector<Statement> follow_ups;
    for (const Enqueue& job : update.enqueue) {
      format().Insert(job, MakeFunction(job.task), follow_ups);
    }
    session_->Run(follow_ups, Frame::kCommit);
    return told;
  });
  return rows[decides].changed > 0 ? Applied::kOk : Applied::kLost;
}

Applied LeasedQueue::Settle(const Update& update) {
  const auto found = held_.find(update.token.value);
  if (found == held_.end()) return Applied::kLost;
  switch (update.kind) {
    case Update::Kind::kProgress:
    case Update::Kind::kData: return Applied::kUnsupported;
    case Update::Kind::kExtend: {
      std::vector<Statement> statements;
      format().Extend(found->second, update.delay, statements);
      const auto rows = Retrying([&] { return session_->Run(statements); });
      if (rows.front().changed == 0) {
        held_.erase(found);
        return Applied::kLost;
      }
      found->second.until = rows.back().Int(0, 0);
      return Applied::kOk;
    }
    case Update::Kind::kDone:
    case Update::Kind::kFail:
    case Update::Kind::kAbort: break;
  }
  try {
    const Applied answer = End(found->second, update);
    if (answer != Applied::kRefused) held_.erase(update.token.value);
    return answer;
  } catch (const Refused&) {
    return Applied::kRefused;
  }
}

std::size_t LeasedQueue::SettleDones(std::span<const Update> updates, std::span<Applied> answers) {
  std::vector<Statement> statements;
  std::vector<std::size_t> whose;
  std::size_t count = 0;
  for (; count < updates.size(); ++count) {
    const Update& update = updates[count];
    if (update.kind != Update::Kind::kDone || !update.enqueue.empty()) break;
    answers[count] = Applied::kLost;
    const auto found = held_.find(update.token.value);
    if (found == held_.end()) continue;
    statements.push_back(format().Delete(found->second));
    whose.push_back(count);
  }
  if (statements.empty()) return count;
  const auto rows = Retrying([&] { return session_->Run(statements); });
  for (std::size_t i = 0; i < whose.size(); ++i) {
    if (rows[i].changed > 0) answers[whose[i]] = Applied::kOk;
    held_.erase(updates[whose[i]].token.value);
  }
  return count;
}

void LeasedQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  With([&](Session&) {
    for (std::size_t i = 0; i < updates.size();) {
      const std::size_t done = SettleDones(updates.subspan(i), answers.subspan(i));
      i += done;
      if (done > 0) continue;
      answers[i] = Settle(updates[i]);
      ++i;
    }
  });
  due_ = std::min(due_, Clock::now());
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
