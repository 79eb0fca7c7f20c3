#include "daemon/queue/drivers/sqlite.h"

#include <algorithm>
#include <filesystem>
#include <poll.h>
#include <system_error>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/sqlite_dead.h"
#include "daemon/queue/drivers/sqlite_jobs.h"
#include "daemon/queue/drivers/sqlite_leases.h"
#include "daemon/queue/drivers/sqlite_schema.h"
#include "daemon/queue/drivers/sqlite_settle.h"

namespace workmand {

using sqlite::Transaction;
using sqlite::WallTime;

namespace {

/// A look at least this often while somebody waits: for file systems where inotify is silent, and
/// for a file that was deleted.
constexpr Duration kLongestSleep{1'000};
/// After a commit of somebody else that brought nothing for us: not at once again, so that the
/// traffic of others costs little.
constexpr Duration kPauseAfterNothing{2};
/// How soon to look again while a commit is under way.
constexpr Duration kShortestPause{1};
constexpr Duration kLongestPause{16};
constexpr Duration kTickInterval{30'000};

bool IsWoken(const Waker& waker) {
  return waker.Wait(-1, 0, Duration{0}) == Waker::Why::kWoken;
}

void MakeFolderOf(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    throw ConnectionLost("sqlite: cannot make the folder " + folder.string() + ": " +
                         error.message());
  }
}

}  // namespace

SqliteQueue::SqliteQueue(sqlite::Settings settings, Role role)
    : settings_(std::move(settings)), role_(role), fetcher_(settings_.lease_time) {}

Caps SqliteQueue::GetCaps() const {
  return SqliteCaps();
}

sqlite::Database& SqliteQueue::Db() {
  if (db_ == nullptr) throw ConnectionLost("sqlite: " + settings_.path + " is not open");
  return *db_;
}

void SqliteQueue::Connect() {
  Disconnect();
  std::error_code ignored;
  if (!std::filesystem::exists(settings_.path, ignored)) MakeFolderOf(settings_.path);
  sqlite::DatabaseOptions options;
  options.path = settings_.path;
  options.full_sync = settings_.full_sync;
  options.busy_timeout = settings_.busy_timeout;
  options.max_row = settings_.max_row;
  auto db = std::make_unique<sqlite::Database>(options);
  sqlite::EnsureSchema(*db);
  if (role_ == Role::kConsumer) {
    const std::int64_t freed = sqlite::FreeDeadHolders(*db, sqlite::ThisProcess());
    if (freed > 0) log::Info("jobs of a dead daemon are back on the queue", {{"jobs", freed}});
  }
  db_ = std::move(db);
}

void SqliteQueue::Disconnect() noexcept {
  watch_.reset();
  db_.reset();
  fetcher_.Reset();
}

void SqliteQueue::RegisterTasks(std::span<const Subscription> tasks) {
  fetcher_.Subscribe(tasks);
}

std::int64_t SqliteQueue::PutOne(const Enqueue& job, WallTime now) {
  if (const std::string_view why = sqlite::WhyRefused(job); !why.empty()) {
    throw Rejected(std::string(why));
  }
  const std::int64_t id = sqlite::InsertJob(Db(), job, now);
  if (job.foreground) answers_.Announce(Db(), id);
  return id;
}

std::string SqliteQueue::Put(const Enqueue& job) {
  Transaction transaction(Db(), Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  const std::int64_t id = PutOne(job, settings_.clock());
  transaction.Commit();
  if (job.foreground) answers_.Expect(id);
  return std::to_string(id);
}

void SqliteQueue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                          std::vector<std::string>& why) {
  std::vector<std::int64_t> numbers(jobs.size(), 0);
  why.assign(jobs.size(), {});
  Transaction transaction(Db(), Transaction::Lock::kWrite, Transaction::Sync::kDurable);
  const WallTime now = settings_.clock();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    try {
      numbers[i] = PutOne(jobs[i], now);
    } catch (const Rejected& rejected) {
      why[i] = rejected.what();
    }
  }
  transaction.Commit();
  ids.assign(jobs.size(), {});
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!why[i].empty()) continue;
    ids[i] = std::to_string(numbers[i]);
    if (jobs[i].foreground) answers_.Expect(numbers[i]);
  }
}

SqliteQueue::Wait SqliteQueue::WaitForCommit(Duration at_most, const Waker& waker) {
  const TimePoint deadline = After(Clock::now(), at_most);
  if (!watch_) watch_.emplace(settings_.path);
  // A writer shows in the watch before its commit is visible, and syncs the disk in between. So the
  // watch alone is trusted only when nobody writes; else the next look is soon. Our own commits
  // show too, but find neither a writer nor a change.
  for (Duration pause{0};;) {
    watch_->Drain();
    const bool written = Db().IsBeingWritten();
    if (Db().DataVersion() != data_version_) return Wait::kCommit;
    const Duration left = Until(Clock::now(), deadline);
    if (left == Duration{0}) return Wait::kTime;
    pause = written ? std::clamp(pause * 2, kShortestPause, kLongestPause) : Duration{0};
    const auto why =
        written ? waker.Wait(-1, 0, std::min(left, pause)) : waker.Wait(watch_->fd(), POLLIN, left);
    if (why == Waker::Why::kWoken) return Wait::kWoken;
  }
}

template <typename Look, typename NextEvent>
void SqliteQueue::LookAndWait(Duration timeout, const Waker& waker, Look look,
                              NextEvent next_event) {
  const TimePoint deadline = After(Clock::now(), timeout);
  const sqlite::WakeWhileBusy wake_while_busy(Db(), waker);
  for (bool in_vain = false;;) {
    try {
      data_version_ = Db().DataVersion();
      if (look()) return;
    } catch (const sqlite::Busy&) {
      if (!IsWoken(waker)) throw;
      return;
    }
    const Duration left = Until(Clock::now(), deadline);
    if (left == Duration{0}) return;
    const Duration pause = std::min(left, kPauseAfterNothing);
    if (in_vain && waker.Wait(-1, 0, pause) == Waker::Why::kWoken) return;
    const bool watched = !watch_ || watch_->fd() >= 0;
    const Duration most = watched ? kLongestSleep : settings_.poll_interval;
    const Duration sleep = std::clamp(next_event(), Duration{0}, std::min(left, most));
    const Wait wait = WaitForCommit(sleep, waker);
    if (wait == Wait::kWoken) return;
    if (wait == Wait::kTime && Db().Moved()) {
      throw ConnectionLost("sqlite: " + settings_.path + " was deleted or replaced");
    }
    in_vain = wait == Wait::kCommit;
  }
}

void SqliteQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                          const Waker& waker) {
  if (n == 0) return;
  if (!fetcher_.HasTasks()) {
    (void)waker.Wait(-1, 0, timeout);
    return;
  }
  const std::size_t before = out.size();
  const auto look = [&] {
    fetcher_.Fetch(Db(), n, settings_.clock(), out);
    return out.size() > before;
  };
  const auto next_event = [&] {
    const WallTime event = fetcher_.next_event();
    return event == WallTime::max() ? kInfinite : event - settings_.clock();
  };
  LookAndWait(timeout, waker, look, next_event);
}

void SqliteQueue::Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) {
  if (!answers_.Waits()) {
    (void)waker.Wait(-1, 0, timeout);
    return;
  }
  const auto look = [&] { return answers_.Collect(Db(), out); };
  LookAndWait(timeout, waker, look, [] { return kInfinite; });
}

void SqliteQueue::TakeProgress(std::vector<ProgressNote>& out) {
  answers_.TakeNotes(out);
}

void SqliteQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  const bool relaxed = std::all_of(updates.begin(), updates.end(), sqlite::IsRelaxed);
  const sqlite::SettleTimes times{settings_.clock(), settings_.result_ttl};
  std::vector<Applied> settled;
  settled.reserve(updates.size());
  Transaction transaction(Db(), Transaction::Lock::kWrite,
                          relaxed ? Transaction::Sync::kRelaxed : Transaction::Sync::kDurable);
  for (const Update& update : updates) settled.push_back(sqlite::Settle(Db(), update, times));
  transaction.Commit();
  std::copy(settled.begin(), settled.end(), answers.begin());
}

Duration SqliteQueue::Tick() {
  if (Db().Moved()) {
    throw ConnectionLost("sqlite: " + settings_.path + " was deleted or replaced");
  }
  if (role_ == Role::kProducer) return kTickInterval;
  const WallTime now = settings_.clock();
  sqlite::SweepHolders(Db(), sqlite::ThisProcess(), now);
  sqlite::SweepAnswers(Db(), now);
  sqlite::SweepDead(Db(), now, settings_.dead_letter_retention);
  Transaction transaction(Db(), Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  sqlite::FreeExpired(Db(), now);
  transaction.Commit();
  return kTickInterval;
}

std::optional<std::uint64_t> SqliteQueue::Size(std::string_view task) {
  return sqlite::CountWaiting(Db(), task);
}

std::optional<std::int64_t> SqliteQueue::OldestMs() {
  const std::optional<WallTime> oldest = sqlite::OldestReady(Db());
  if (!oldest) return std::nullopt;
  return std::max(Duration{0}, settings_.clock() - *oldest).count();
}

std::vector<DeadLetter> SqliteQueue::DeadLetters(std::size_t limit) {
  return sqlite::ListDead(Db(), limit);
}

bool SqliteQueue::RetryDead(std::string_view id) {
  return sqlite::RetryDead(Db(), id, settings_.clock());
}

bool SqliteQueue::DropDead(std::string_view id) {
  return sqlite::DropDead(Db(), id);
}

Caps SqliteCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kForeground | Cap::kPriority | Cap::kUnique | Cap::kDelay |
              Cap::kAttempts | Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kHoldSurvives | Cap::kLease | Cap::kProgress | Cap::kPartialData |
              Cap::kDurable | Cap::kDeadLetter | Cap::kOrdered | Cap::kCount | Cap::kConfirmedAck |
              Cap::kAtLeastOnce | Cap::kUncountedAbort;
  return caps;
}

Result<std::unique_ptr<Queue>> OpenSqlite(const DriverConfig& config, Role role) {
  auto settings = sqlite::MakeSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  return std::make_unique<SqliteQueue>(std::move(*settings), role);
}

}  // namespace workmand
