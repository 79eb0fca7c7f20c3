// The engine of all drivers on Redis. Two connections: one for requests, and one on which the
// server is left waiting for us, so that a sleep costs nothing and a wake-up comes at once. Jobs
// are found and settled by scripts inside the server; a dialect says which.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/redis_dialect.h"
#include "daemon/queue/drivers/redis_link.h"
#include "daemon/queue/drivers/redis_settings.h"
#include "daemon/queue/queue.h"

namespace workmand::redis {

/// Eight digits, in lower case.
[[nodiscard]] std::string ToHex(std::uint32_t number);

class RedisQueue final : public Queue, private Server {
 public:
  RedisQueue(Settings settings, std::unique_ptr<Dialect> dialect);
  ~RedisQueue() override;
  RedisQueue(const RedisQueue&) = delete;
  RedisQueue& operator=(const RedisQueue&) = delete;

  [[nodiscard]] Caps GetCaps() const override { return dialect_->GetCaps(); }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;

  std::string Put(const Enqueue& job) override;
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override;
  void Collect(std::vector<workmand::Reply>& out, Duration timeout, const Waker& waker) override;
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
  /// What the second connection has been left waiting for.
  enum class Armed { kNothing, kBell, kReplies };

  Reply Run(Script script, const Args& words) override;
  Reply Call(const Args& words) override;

  void LoadScripts();
  [[nodiscard]] Args Begin(Script script) const;
  Reply AwaitSound();
  std::string NewId();

  void SendFetch(std::size_t n);
  /// False when the answer to the fetch is still to come because of a wake.
  bool ReadFetch(const Waker& waker);
  void DrainFetch();
  void TakeFetched(const redisReply* reply);
  void Bury(Hold hold, const std::string& why);
  bool HandOut(std::vector<Job>& out, std::size_t n);
  void GiveBack(const Hold& hold);

  [[nodiscard]] Applied Prepare(const Update& update, Args& words) const;
  [[nodiscard]] std::string PlaceOfDone(const Update& update) const;

  void Arm(Armed what, const Args& words);
  /// The answer on the second connection, or nothing when `waker` or the deadline was first.
  Reply Listen(TimePoint until, const Waker& waker);
  void ReadReplies(const redisReply* reply, std::vector<workmand::Reply>& out);

  Settings settings_;
  std::unique_ptr<Dialect> dialect_;
  Caller caller_;
  std::string id_stem_;
  std::uint32_t last_id_ = 0;
  std::array<std::string, kScripts> shas_;

  Link link_;
  Link bell_link_;
  Armed armed_ = Armed::kNothing;
  std::string last_bell_ = "0-0";
  Duration due_{-1};  ///< from the last fetch: when something falls due; negative = never

  std::vector<std::string> tasks_;
  std::size_t turn_ = 0;
  bool fetching_ = false;
  TimePoint fetch_deadline_;
  TimePoint look_at_;  ///< when to look for holds that are over again
  std::deque<Hold> ready_;
  std::unordered_map<std::uint64_t, Hold> held_;
  std::uint64_t last_token_ = 0;

  std::multiset<std::string> awaited_;  ///< ids of foreground jobs
  std::string last_reply_ = "0-0";
  std::vector<ProgressNote> notes_;
};

}  // namespace workmand::redis
