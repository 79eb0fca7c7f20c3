// SqlQueue as a consumer: fetching and settling.
#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/queue/drivers/sql_queue.h"
#include "daemon/queue/drivers/sql_queue_with.h"

namespace workmand::sql {
namespace {

/// A server that is well answers within this; so long a Dequeue of no time waits for it.
constexpr Duration kPromptAnswer{50};
/// After a look that ended in a dead lock.
constexpr Duration kConflictPause{5};

}  // namespace

void SqlQueue::StartLook(std::size_t n) {
  // What was announced until now the look will see.
  (void)session_->TakeNotices();
  if (look_.every_task()) look_.SetTasks(session_->RunOne(sql().ListTasks()));
  std::vector<Statement> statements;
  look_.Begin({{}, n, holder_, settings_.lease_time}, true, statements);
  session_->Send(statements, settings_.two_steps ? Frame::kBegin : Frame::kWhole);
  pending_ = Pending::kLook;
}

void SqlQueue::FinishLook() {
  pending_ = Pending::kNothing;
  try {
    ReadLook(session_->Receive(), 0);
  } catch (const Conflict&) {
    look_.LookAt(Clock::now() + kConflictPause);
  }
}

void SqlQueue::ReadLook(std::span<const Rows> rows, std::size_t first) {
  look_.Read(rows, first, settings_.two_steps, Clock::now());
  std::vector<Job>& jobs = look_.jobs();
  if (settings_.two_steps) {
    std::vector<std::int64_t> ids;
    ids.reserve(jobs.size());
    for (const Job& job : jobs) ids.push_back(HoldOf(job.token).id);
    std::vector<Statement> hold;
    if (!ids.empty()) hold.push_back(sql().HoldChosen(look_.plan(), ids).value());
    session_->Run(hold, Frame::kCommit);
  }
  for (const Job& job : jobs) held_[NumberOf(job.token)] = job.wants_result;
  std::move(jobs.begin(), jobs.end(), std::back_inserter(spare_));
  jobs.clear();
  spare_since_ = Clock::now();
}

void SqlQueue::Hand(std::vector<Job>& out, std::size_t n) {
  if (Clock::now() >= After(spare_since_, settings_.lease_time / 2)) {
    // Their leases are about to end, since nobody renewed them.
    GiveBackSpare();
    if (session_ == nullptr) throw ConnectionLost(settings_.driver + ": the connection was lost");
    return;
  }
  const auto end = spare_.begin() + static_cast<std::ptrdiff_t>(std::min(n, spare_.size()));
  std::move(spare_.begin(), end, std::back_inserter(out));
  spare_.erase(spare_.begin(), end);
}

void SqlQueue::GiveBackSpare() noexcept {
  if (spare_.empty() || session_ == nullptr) return;
  try {
    std::vector<Statement> statements;
    for (const Job& job : spare_) {
      Update update;
      update.kind = Update::Kind::kAbort;
      update.never_ran = true;
      statements.push_back(sql().PutBack(HoldOf(job.token), update));
    }
    if (auto notify = sql().Notify(sql().stem(), "")) statements.push_back(std::move(*notify));
    Retrying([&] { return session_->Run(statements); });
  } catch (const std::exception&) {
    // Their leases end.
    session_.reset();
  }
  for (const Job& job : spare_) held_.erase(NumberOf(job.token));
  spare_.clear();
}

bool SqlQueue::WaitForJobs(TimePoint deadline, const Waker& waker) {
  const TimePoint until = std::min(deadline, look_.due());
  switch (session_->WaitForNews(Until(Clock::now(), until), waker)) {
    case Session::News::kWoken: return false;
    case Session::News::kNotice: look_.LookAt(Clock::now()); break;
    case Session::News::kNone: break;
  }
  return true;
}

void SqlQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) {
  if (n == 0) return;
  if (!look_.HasTasks()) {
    (void)waker.Wait(-1, 0, timeout);
    return;
  }
  const TimePoint deadline = After(Clock::now(), timeout);
  const std::size_t before = out.size();
  With([&](Session& session) {
    for (;;) {
      if (!spare_.empty()) Hand(out, n);
      if (out.size() > before) return;
      if (pending_ == Pending::kNothing && Clock::now() >= look_.due()) StartLook(n);
      if (pending_ == Pending::kLook) {
        const Duration patience = std::max(Until(Clock::now(), deadline), kPromptAnswer);
        if (!session.Await(patience, waker)) return;
        FinishLook();
        continue;
      }
      if (Clock::now() >= deadline || !WaitForJobs(deadline, waker)) return;
    }
  });
}

void SqlQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  const std::size_t fetch = std::exchange(will_dequeue_, 0);
  if (updates.empty()) return;
  With([&](Session&) {
    FinishPending();
    for (std::size_t begin = 0; begin < updates.size();) {
      std::size_t end = begin;
      while (end < updates.size() && updates[end].enqueue.empty()) ++end;
      if (end == begin) {
        answers[begin] = SettleAlone(updates[begin]);
        ++begin;
        continue;
      }
      const auto part = updates.subspan(begin, end - begin);
      const auto told = answers.subspan(begin, end - begin);
      const bool may_fetch = end == updates.size() && spare_.empty() && look_.HasTasks() &&
                             !look_.every_task() && role_ == Role::kConsumer;
      ApplyTogether(part, told, may_fetch ? fetch : 0);
      begin = end;
    }
  });
  Forget(updates, answers);
}

void SqlQueue::ApplyTogether(std::span<const Update> updates, std::span<Applied> answers,
                             std::size_t fetch) {
  try {
    SettleBatch(updates, answers, fetch);
    return;
  } catch (const Refused&) {
    // One of them is to blame, and nothing was done.
  }
  for (std::size_t i = 0; i < updates.size(); ++i) {
    try {
      SettleBatch(updates.subspan(i, 1), answers.subspan(i, 1), 0);
    } catch (const Refused&) {
      answers[i] = Applied::kRefused;
    }
  }
}

void SqlQueue::SettleBatch(std::span<const Update> updates, std::span<Applied> answers,
                           std::size_t fetch) {
  SettlePlan plan(sql(), held_, settings_.result_ttl);
  for (const Update& update : updates) plan.Add(update);
  std::vector<Statement> statements;
  if (std::all_of(updates.begin(), updates.end(), IsRelaxed)) {
    if (auto relax = sql().Relax()) statements.push_back(std::move(*relax));
  }
  const std::size_t first = statements.size();
  std::vector<Statement> settle = plan.TakeStatements();
  std::move(settle.begin(), settle.end(), std::back_inserter(statements));
  if (fetch > 0) look_.Begin({{}, fetch, holder_, settings_.lease_time}, false, statements);
  const bool open = fetch > 0 && settings_.two_steps;
  const std::vector<Applied> told = Retrying([&] {
    if (fetch > 0) (void)session_->TakeNotices();
    const std::vector<Rows> rows = session_->Run(statements, open ? Frame::kBegin : Frame::kWhole);
    const std::span<const Rows> all(rows);
    if (fetch > 0) ReadLook(all, first + plan.size());
    return plan.Read(all.subspan(first));
  });
  std::copy(told.begin(), told.end(), answers.begin());
  if (plan.puts_back()) look_.LookAt(std::min(look_.due(), Clock::now()));
}

Applied SqlQueue::SettleAlone(const Update& update) {
  std::vector<Statement> follow_ups;
  for (const Enqueue& job : update.enqueue) {
    if (!WhyRefused(job).empty()) return Applied::kRefused;
    follow_ups.push_back(sql().Insert(job, 0));
  }
  try {
    return Retrying([&] {
      SettlePlan plan(sql(), held_, settings_.result_ttl);
      plan.Add(update);
      const std::vector<Statement> settle = plan.TakeStatements();
      const Applied answer = plan.Read(session_->Run(settle, Frame::kBegin)).front();
      // The follow-ups come after the settlement: a job may put its own successor under the same
      // unique key.
      if (answer == Applied::kOk) {
        session_->Run(follow_ups, Frame::kCommit);
        look_.LookAt(Clock::now());
      } else {
        session_->Rollback();
      }
      return answer;
    });
  } catch (const Refused&) {
    return Applied::kRefused;
  }
}

void SqlQueue::Forget(std::span<const Update> updates, std::span<const Applied> answers) {
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const bool ended = IsSettlement(updates[i].kind) && answers[i] != Applied::kRefused;
    const bool lost = updates[i].kind == Update::Kind::kExtend && answers[i] == Applied::kLost;
    if (ended || lost) held_.erase(NumberOf(updates[i].token));
  }
}

}  // namespace workmand::sql
