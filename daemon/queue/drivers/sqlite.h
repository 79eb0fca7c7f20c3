// The embedded queue: one SQLite file in WAL mode, shared by every process of one machine that
// opens it. Driven by the pump or by a producer, on one thread; it has no thread of its own and
// asks no server. docs/queues/sqlite.md says what it promises.
//
// What it is made of: sqlite_settings (keys), sqlite_db (connection), sqlite_schema (tables),
// sqlite_jobs (in), sqlite_fetch (out), sqlite_settle (done, fail, abort), sqlite_leases (ends of
// holds), sqlite_answers (foreground), sqlite_dead (dead letters), sqlite_watch (wake-up).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/queue/drivers/sqlite_answers.h"
#include "daemon/queue/drivers/sqlite_db.h"
#include "daemon/queue/drivers/sqlite_fetch.h"
#include "daemon/queue/drivers/sqlite_settings.h"
#include "daemon/queue/drivers/sqlite_watch.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand {

class SqliteQueue final : public Queue {
 public:
  SqliteQueue(sqlite::Settings settings, Role role);

  [[nodiscard]] Caps GetCaps() const override;
  /// A consumer also gives back what dead processes of this machine hold.
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override;
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override;
  void TakeProgress(std::vector<ProgressNote>& out) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  std::optional<std::uint64_t> Size(std::string_view task) override;
  std::optional<std::int64_t> OldestMs() override;
  std::vector<DeadLetter> DeadLetters(std::size_t limit) override;
  bool RetryDead(std::string_view id) override;
  bool DropDead(std::string_view id) override;

 private:
  sqlite::Database& Db();
  std::int64_t PutOne(const Enqueue& job, sqlite::WallTime now);
  /// Calls `look` until it returns true, when somebody else has committed, at `next_event()`, and
  /// once a second; ends at `timeout` or when woken.
  template <typename Look, typename NextEvent>
  void LookAndWait(Duration timeout, const Waker& waker, Look look, NextEvent next_event);
  enum class Wait { kCommit, kTime, kWoken };
  Wait WaitForCommit(Duration at_most, const Waker& waker);

  sqlite::Settings settings_;
  Role role_;
  std::unique_ptr<sqlite::Database> db_;
  std::optional<sqlite::WalWatch> watch_;  ///< made when somebody waits for the first time
  std::int64_t data_version_ = 0;          ///< of the last look
  sqlite::Fetcher fetcher_;
  sqlite::Answers answers_;
};

}  // namespace workmand
