#include "daemon/queue/drivers/sql_look.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace workmand::sql {
namespace {

/// How often due times and leases are seen to while jobs flow.
constexpr Duration kThorough{500};
/// The first pause between two looks, where the server does not tell of new jobs.
constexpr Duration kFirstPause{50};
/// After jobs were seen that somebody else had locked.
constexpr Duration kLockedPause{5};
constexpr Duration kLongestLockedPause{100};

}  // namespace

Look::Look(const JobSql& sql, bool wakes, Duration interval)
    : sql_(sql), wakes_(wakes), interval_(std::max(interval, kFirstPause)) {}

void Look::Subscribe(std::span<const Subscription> tasks) {
  tasks_.clear();
  every_task_ = false;
  for (const Subscription& subscription : tasks) {
    if (subscription.task == "*") every_task_ = true;
    const bool known = std::find(tasks_.begin(), tasks_.end(), subscription.task) != tasks_.end();
    if (!known) tasks_.push_back(subscription.task);
  }
  if (every_task_) tasks_.clear();
  due_ = TimePoint{};
}

void Look::SetTasks(const Rows& rows) {
  tasks_.clear();
  for (std::size_t row = 0; row < rows.size(); ++row) tasks_.emplace_back(rows.Bytes(row, 0));
}

void Look::Begin(FetchPlan plan, bool alone, std::vector<Statement>& out) {
  const std::size_t before = out.size();
  const TimePoint now = Clock::now();
  // What rides with settlements is only the fetch: if it finds too little, a look of its own
  // follows.
  const bool thorough =
      alone && (!flows_ || now >= next_event_ || now >= After(thorough_at_, kThorough));
  if (auto relax = sql_.Relax(); relax && alone) out.push_back(std::move(*relax));
  if (thorough) {
    thorough_at_ = now;
    out.push_back(sql_.FallDue());
    out.push_back(sql_.FreeExpired());
  }
  plan_ = std::move(plan);
  plan_.tasks = tasks_;
  if (plan_.tasks.size() > 1) {
    const std::size_t first = turn_++ % plan_.tasks.size();
    std::rotate(plan_.tasks.begin(), plan_.tasks.begin() + static_cast<std::ptrdiff_t>(first),
                plan_.tasks.end());
  }
  fetch_at_ = out.size() - before;
  // With every task, none may be there: then a name that cannot be stands in.
  if (plan_.tasks.empty()) plan_.tasks.emplace_back();
  out.push_back(sql_.Fetch(plan_));
  events_at_ = thorough ? out.size() - before : 0;
  if (thorough) {
    out.push_back(sql_.NextEvents(every_task_ ? std::span<const std::string>() : tasks_));
  }
}

void Look::Read(std::span<const Rows> rows, std::size_t first, bool ahead, TimePoint now) {
  const Rows& found = rows[first + fetch_at_];
  jobs_.clear();
  for (std::size_t row = 0; row < found.size(); ++row) jobs_.push_back(ReadJob(found, row, ahead));
  // An UPDATE gives its rows in any order. Ids grow with time.
  if (plan_.tasks.size() == 1) {
    std::sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
      const auto key = [](const Job& job) {
        return std::tuple(-static_cast<int>(job.priority), job.token.value);
      };
      return key(a) < key(b);
    });
  } else {
    std::stable_sort(jobs_.begin(), jobs_.end(),
                     [](const Job& a, const Job& b) { return a.priority > b.priority; });
  }
  flows_ = jobs_.size() >= plan_.n;
  PlanNext(events_at_ == 0 ? nullptr : &rows[first + events_at_], now);
}

void Look::PlanNext(const Rows* events, TimePoint now) {
  if (events != nullptr) {
    next_event_ = kNever;
    for (const std::size_t column : {std::size_t{0}, std::size_t{1}}) {
      if (events->IsNull(0, column)) continue;
      const Duration left{std::max<std::int64_t>(0, events->Int(0, column))};
      next_event_ = std::min(next_event_, After(now, left));
    }
  }
  if (!jobs_.empty() || events == nullptr) {
    pause_ = Duration{0};
    due_ = now;
    return;
  }
  if (events->Int(0, 2) != 0) {
    // A job is ready and we did not get it: somebody has it locked just now.
    pause_ = std::clamp(pause_ * 2, kLockedPause, kLongestLockedPause);
  } else if (wakes_) {
    pause_ = interval_;
  } else {
    pause_ = std::clamp(pause_ * 2, kFirstPause, interval_);
  }
  // At least a moment, should the lease of somebody who is slow to settle be over.
  due_ = std::clamp(next_event_, now + Duration{1}, After(now, pause_));
}

}  // namespace workmand::sql
