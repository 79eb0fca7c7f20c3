// A queue in the tables of an SQL server: what the drivers `postgres` and `mysql` share. The
// driver gives it the statements (sql_jobs.h) and a way to connect (sql_session.h). Driven by the
// pump or by a producer, on one thread; it has no thread of its own.
//
// What it is made of: sql_schema (connecting), sql_look (which jobs, and when to look), sql_settle
// (done, fail, abort, extend), sql_answers (foreground).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/queue/drivers/sql_answers.h"
#include "daemon/queue/drivers/sql_look.h"
#include "daemon/queue/drivers/sql_session.h"
#include "daemon/queue/drivers/sql_settle.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand::sql {

struct QueueSettings {
  std::string driver;  ///< for messages
  Caps caps;
  std::unique_ptr<const JobSql> sql;
  std::function<std::unique_ptr<Session>()> connect;
  bool two_steps = false;  ///< fetching chooses first, then holds (JobSql::HoldChosen)
  Duration lease_time{60'000};
  Duration result_ttl{3'600'000};
  Duration dead_letter_retention{0};
  Duration interval{1'000};
};

class SqlQueue final : public Queue {
 public:
  SqlQueue(QueueSettings settings, Role role);

  [[nodiscard]] Caps GetCaps() const override { return settings_.caps; }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override;
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override;
  void TakeProgress(std::vector<ProgressNote>& out) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void WillDequeue(std::size_t n) override { will_dequeue_ = n; }
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  std::optional<std::uint64_t> Size(std::string_view task) override;
  std::optional<std::int64_t> OldestMs() override;
  std::vector<DeadLetter> DeadLetters(std::size_t limit) override;
  bool RetryDead(std::string_view id) override;
  bool DropDead(std::string_view id) override;

 private:
  /// What has been sent and is not answered yet.
  enum class Pending { kNothing, kLook, kAnswers };

  const JobSql& sql() const { return *settings_.sql; }
  /// Runs `work` with the session; when that is lost in it, it is thrown away.
  template <typename Work>
  auto With(Work&& work);
  /// Takes the answer to what is pending, so that something else can be sent.
  void FinishPending();

  std::vector<std::int64_t> Insert(std::span<const Enqueue* const> jobs);
  void Listen(bool on);

  void StartLook(std::size_t n);
  void FinishLook();
  void ReadLook(std::span<const Rows> rows, std::size_t first);
  void Hand(std::vector<Job>& out, std::size_t n);
  void GiveBackSpare() noexcept;
  /// False: woken.
  bool WaitForJobs(TimePoint deadline, const Waker& waker);

  void ApplyTogether(std::span<const Update> updates, std::span<Applied> answers,
                     std::size_t fetch);
  void SettleBatch(std::span<const Update> updates, std::span<Applied> answers, std::size_t fetch);
  Applied SettleAlone(const Update& update);
  void Forget(std::span<const Update> updates, std::span<const Applied> answers);

  bool LookForAnswers(TimePoint deadline, const Waker& waker);
  void FinishAnswers();

  QueueSettings settings_;
  Role role_;
  std::unique_ptr<Session> session_;
  Pending pending_ = Pending::kNothing;
  std::int64_t holder_ = 0;
  bool listens_ = false;     ///< for answers
  bool answers_due_ = true;  ///< a look for answers is worth while
  Look look_;
  HeldTokens held_;         ///< what was handed out and is not settled
  std::vector<Job> spare_;  ///< fetched and not handed out yet
  TimePoint spare_since_;
  std::size_t will_dequeue_ = 0;
  Answers answers_;
};

}  // namespace workmand::sql
