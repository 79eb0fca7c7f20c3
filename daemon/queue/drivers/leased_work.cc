// LeasedQueue as a consumer: fetching and settling.
#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/leased_queue.h"
#include "daemon/queue/drivers/storable.h"

namespace workmand::sql {
namespace {

constexpr Duration kFirstPause{50};
/// A server that is well answers within this; so long a Dequeue of no time waits for it.
constexpr Duration kPromptAnswer{50};
/// A job whose argument we cannot read is left to others for so long.
constexpr Duration kUnreadable{600'000};

}  // namespace

bool LeasedQueue::AnyFound(std::span<const Statement> statements) {
  return std::any_of(statements.begin(), statements.end(), [&](const Statement& statement) {
    return session_->RunOne(statement).size() > 0;
  });
}

void LeasedQueue::Rest() {
  pause_ = std::clamp(pause_ * 2, kFirstPause, std::max(settings_.interval, kFirstPause));
  due_ = After(Clock::now(), pause_);
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
  statements.reserve(wanted.size());
  for (const std::int64_t function : wanted) statements.push_back(format().Choose(function, n));
  try {
    // A file has one lock for all: who only looks must not take it.
    if (format().dialect.engine == Engine::kSqlite && !AnyFound(statements)) return false;
    session_->Send(statements, Frame::kBegin);
  } catch (const Conflict&) {
    return false;
  }
  looking_ = true;
  asked_ = n;
  return true;
}

std::vector<LeasedQueue::Chosen> LeasedQueue::ReadChoice(const std::vector<Rows>& all) const {
  std::size_t longest = 0;
  for (const Rows& rows : all) longest = std::max(longest, rows.size());
  std::vector<Chosen> chosen;
  // One of each task in turn.
  for (std::size_t row = 0; row < longest; ++row) {
    for (const Rows& rows : all) {
      if (row >= rows.size() || chosen.size() >= asked_) continue;
      Chosen& next = chosen.emplace_back();
      next.id = rows.Int(row, 0);
      next.arg = rows.Bytes(row, 2);
      next.job.id = std::to_string(next.id);
      next.job.task = names_.at(rows.Int(row, 1));
      next.job.unique = rows.Bytes(row, 3);
      next.job.enqueued_at_ms = rows.Int(row, 4) * 1000;
      next.job.priority = format().PriorityFrom(rows, row, 5);
      next.job.attempt = static_cast<int>(rows.Int(row, 6)) + 1;
      next.job.deliveries = next.job.attempt;
    }
  }
  return chosen;
}

void LeasedQueue::Grab(std::vector<Chosen> chosen) {
  std::vector<std::int64_t> ids;
  ids.reserve(chosen.size());
  for (const Chosen& one : chosen) ids.push_back(one.id);
  std::vector<Statement> grab;
  format().Grab(ids, settings_.lease_time, grab);
  const std::vector<Rows> told = session_->Run(grab, Frame::kCommit);
  std::map<std::int64_t, std::int64_t> until;
  for (std::size_t row = 0; row < told.back().size(); ++row) {
    until[told.back().Int(row, 0)] = told.back().Int(row, 1);
  }
  for (Chosen& one : chosen) {
    const LeasedHold hold{one.id, until[one.id]};
    if (!Decode(one.job, hold, one.arg)) continue;
    one.job.token = Token{++last_token_};
    held_[one.job.token.value] = hold;
    spare_.push_back(std::move(one.job));
  }
}

void LeasedQueue::FinishLook() {
  looking_ = false;
  try {
    std::vector<Chosen> chosen = ReadChoice(session_->Receive());
    if (chosen.empty()) {
      session_->Run({}, Frame::kCommit);
    } else {
      Grab(std::move(chosen));
    }
  } catch (const Conflict&) {
    // Whoever has the lock may be done at the next look.
  }
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
  log::Warn("a job is left to the Perl workers",
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
        if (spare_.empty()) {
          Rest();
        } else {
          pause_ = Duration{0};
          due_ = Clock::now();
        }
      }
      if (!spare_.empty()) {
        const auto end = spare_.begin() + static_cast<std::ptrdiff_t>(std::min(n, spare_.size()));
        std::move(spare_.begin(), end, std::back_inserter(out));
        spare_.erase(spare_.begin(), end);
        return;
      }
      if (Clock::now() >= due_ && StartLook(n)) continue;
      if (Clock::now() >= due_) Rest();
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

}  // namespace workmand::sql
