#include "daemon/queue/drivers/sqlite_fetch.h"

#include <algorithm>
#include <tuple>

#include "daemon/queue/drivers/sqlite_schema.h"

namespace workmand::sqlite {
namespace {

constexpr const char* kNextDue = "SELECT min(due_at) FROM jobs WHERE state = 2";
// In portions, so that a flood of jobs that fall due together does not hold the lock for long.
constexpr const char* kFallDue =
    "UPDATE jobs SET state = 0 WHERE id IN"
    " (SELECT id FROM jobs WHERE state = 2 AND due_at <= ?1 ORDER BY due_at LIMIT 1000)";
constexpr const char* kNextLeaseEnd = "SELECT min(lease_until) FROM held";
constexpr const char* kNextTask =
    "SELECT task FROM jobs WHERE state = 0 AND task > ?1 ORDER BY task LIMIT 1";
constexpr const char* kCandidates =
    "SELECT id, priority FROM jobs WHERE state = 0 AND task = ?1"
    " ORDER BY priority DESC, id LIMIT ?2";
constexpr const char* kRead =
    "SELECT task, priority, fence, attempts, deliveries, max_attempts, waiters, enqueued_at,"
    " unique_key, payload FROM jobs WHERE id = ?1";
constexpr const char* kHandOut =
    "UPDATE jobs SET state = 1, fence = fence + 1, deliveries = deliveries + 1 WHERE id = ?1";
constexpr const char* kHold =
    "INSERT INTO held(id, fence, holder, lease_until) VALUES(?1, ?2, ?3, ?4)";

/// How often the leases are looked at when nothing is known to end.
constexpr Duration kLeaseLook{1'000};

constexpr unsigned kFenceBits = 20;
constexpr std::uint64_t kFenceMask = (std::uint64_t{1} << kFenceBits) - 1;

std::optional<WallTime> Moment(Query query) {
  if (!query.Next() || query.IsNull(0)) return std::nullopt;
  return query.Time(0);
}

}  // namespace

Token TokenOf(const Hold& hold) {
  return Token{(static_cast<std::uint64_t>(hold.id) << kFenceBits) |
               (static_cast<std::uint64_t>(hold.fence) & kFenceMask)};
}

Hold HoldOf(Token token) {
  return {static_cast<std::int64_t>(token.value >> kFenceBits),
          static_cast<std::int64_t>(token.value & kFenceMask)};
}

void Fetcher::Subscribe(std::span<const Subscription> tasks) {
  tasks_.clear();
  every_task_ = false;
  for (const Subscription& subscription : tasks) {
    if (subscription.task == "*") every_task_ = true;
    const bool known = std::find(tasks_.begin(), tasks_.end(), subscription.task) != tasks_.end();
    if (!known) tasks_.push_back(subscription.task);
  }
  if (every_task_) tasks_.clear();
}

void Fetcher::Fetch(Database& db, std::size_t n, WallTime now, std::vector<Job>& out) {
  try {
    Try(db, n, now, Transaction::Lock::kRead, out);
  } catch (const Busy&) {
    // Another process wrote between our look and our first write: look again, with the lock.
    Try(db, n, now, Transaction::Lock::kWrite, out);
  }
}

void Fetcher::Try(Database& db, std::size_t n, WallTime now, Transaction::Lock lock,
                  std::vector<Job>& out) {
  // A crash of the machine undoes a hold anyway, so it need not wait for the disk.
  Transaction transaction(db, lock, Transaction::Sync::kRelaxed);
  FallDue(db, now);
  EndLeases(db, now, false);
  Choose(db, n);
  if (candidates_.empty() && EndLeases(db, now, true)) Choose(db, n);
  if (!candidates_.empty() && holder_ == 0) holder_ = RegisterHolder(db, ThisProcess(), now);
  std::vector<Job> jobs;
  jobs.reserve(candidates_.size());
  for (const Candidate& candidate : candidates_) jobs.push_back(HandOut(db, candidate.id, now));
  transaction.Commit();
  std::move(jobs.begin(), jobs.end(), std::back_inserter(out));
}

void Fetcher::FallDue(Database& db, WallTime now) {
  next_due_ = Moment(Query(db, kNextDue)).value_or(WallTime::max());
  if (next_due_ > now) return;
  db.Run(kFallDue, now);
  next_due_ = Moment(Query(db, kNextDue)).value_or(WallTime::max());
}

bool Fetcher::EndLeases(Database& db, WallTime now, bool look) {
  // Holds that others have begun since the last look are seen at the next one. The clock may have
  // been set back.
  const WallTime next_look = std::min(next_lease_end_, leases_looked_at_ + kLeaseLook);
  if (!look && now < next_look && now >= leases_looked_at_) return false;
  leases_looked_at_ = now;
  next_lease_end_ = Moment(Query(db, kNextLeaseEnd)).value_or(WallTime::max());
  if (next_lease_end_ > now) return false;
  const bool freed = FreeExpired(db, now) > 0;
  next_lease_end_ = Moment(Query(db, kNextLeaseEnd)).value_or(WallTime::max());
  return freed;
}

const std::vector<std::string>& Fetcher::WantedTasks(Database& db) {
  if (!every_task_) return tasks_;
  tasks_.clear();
  std::string last;
  for (;;) {
    Query query(db, kNextTask, last);
    if (!query.Next()) return tasks_;
    last = query.Bytes(0);
    tasks_.push_back(last);
  }
}

void Fetcher::Choose(Database& db, std::size_t n) {
  candidates_.clear();
  const std::vector<std::string>& tasks = WantedTasks(db);
  const std::size_t first = tasks.empty() ? 0 : turn_++ % tasks.size();
  for (std::size_t turn = 0; turn < tasks.size(); ++turn) {
    const std::string& task = tasks[(first + turn) % tasks.size()];
    Query query(db, kCandidates, task, static_cast<std::int64_t>(n));
    Candidate candidate;
    candidate.turn = turn;
    for (std::int64_t priority = -1; query.Next(); ++candidate.round) {
      candidate.id = query.Int(0);
      candidate.priority = query.Int(1);
      if (candidate.priority != priority) candidate.round = 0;
      priority = candidate.priority;
      candidates_.push_back(candidate);
    }
  }
  if (tasks.size() > 1) {
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      return std::tuple(-a.priority, a.round, a.turn) < std::tuple(-b.priority, b.round, b.turn);
    });
  }
  if (candidates_.size() > n) candidates_.resize(n);
}

Job Fetcher::HandOut(Database& db, std::int64_t id, WallTime now) const {
  Job job;
  Hold hold{id, 0};
  {
    Query query(db, kRead, id);
    query.Next();
    job.task = query.Bytes(0);
    job.priority = static_cast<Priority>(query.Int(1));
    hold.fence = query.Int(2) + 1;
    job.attempt = static_cast<int>(query.Int(3)) + 1;
    job.deliveries = static_cast<int>(query.Int(4)) + 1;
    job.max_attempts = static_cast<int>(query.Int(5));
    job.unique = query.Bytes(8);
    // With a unique key a caller may come to wait while the job runs.
    job.wants_result = query.Int(6) > 0 || !job.unique.empty();
    job.wants_progress = job.wants_result;
    job.drops_result = !job.wants_result;
    job.enqueued_at_ms = query.Int(7);
    job.payload = query.Bytes(9);
  }
  job.id = std::to_string(id);
  job.token = TokenOf(hold);
  db.Run(kHandOut, id);
  db.Run(kHold, id, HoldOf(job.token).fence, holder_, Later(now, lease_time_));
  return job;
}

}  // namespace workmand::sqlite
