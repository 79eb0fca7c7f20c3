// The queue of the driver `amqp`: one durable queue of a server for all tasks, whose messages name
// their task in the property `type`.
//
// A job that comes back is a new message with the counters in its headers, confirmed by the server
// before the old one is acknowledged: a crash in between makes it two, never none. A delay is a
// queue that nobody reads, whose messages go on to the main queue when their time is over.
//
// A consumer exists only while jobs are wanted, with a prefetch of so many: what is not wanted
// stays with the server, for others.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/amqp_link.h"
#include "daemon/queue/drivers/amqp_settings.h"
#include "daemon/queue/queue.h"

namespace workmand::amqp {

[[nodiscard]] Caps AmqpCaps();

class AmqpQueue final : public Queue {
 public:
  explicit AmqpQueue(Settings settings);

  [[nodiscard]] Caps GetCaps() const override;
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
  std::vector<DeadLetter> DeadLetters(std::size_t limit) override;
  bool RetryDead(std::string_view id) override;
  bool DropDead(std::string_view id) override;

 private:
  /// A message that is ours until it is acknowledged.
  struct Hold {
    Message message;
    std::string id;
    std::string task;
    int ends = 0;        ///< attempts that are over
    int deliveries = 0;  ///< this one included
  };
  /// What a message is to be when it is sent again.
  struct Again {
    int ends = 0;
    int deliveries = 0;
    Duration delay{0};
  };

  // amqp_queue.cc: the session, and taking jobs.
  void Forget();
  void DeclareQueues();
  [[nodiscard]] std::string DeadQueue() const { return settings_.queue + ".dead"; }
  void TakeMessages();
  void Sort(Message message);
  bool HandOut(std::vector<Job>& out, std::size_t n);
  [[nodiscard]] std::size_t Room() const;
  void Grant(std::size_t n);
  void Withdraw();
  void Acknowledge(std::vector<std::uint64_t>& tags);

  // amqp_put.cc: sending.
  [[nodiscard]] std::string WhyNot(const Enqueue& job) const;
  std::string Send(const Enqueue& job);
  void SendAgain(const Hold& hold, const Again& again);
  std::string DelayQueue(Duration delay);
  void Bury(const Hold& hold, int ends, std::string_view error);
  void Answer(const Hold& hold, std::string_view type, const Update& update);
  std::string NewId();
  void TakeReply(const Message& message);

  // amqp_apply.cc: settling, and dead letters.
  [[nodiscard]] Applied Begin(const Update& update);
  [[nodiscard]] Applied Tell(const Hold& hold, const Update& update);
  bool FindDead(std::string_view id, Message& found);

  Settings settings_;
  Link link_;
  std::string id_stem_;
  std::uint64_t last_id_ = 0;

  std::set<std::string, std::less<>> tasks_;
  bool every_task_ = false;
  std::set<std::string, std::less<>> warned_;  ///< tasks that are not served here, told once

  std::deque<Hold> ready_;                        ///< not handed out yet
  std::unordered_map<std::uint64_t, Hold> held_;  ///< by token
  std::uint64_t last_token_ = 0;
  std::set<std::uint64_t> open_;         ///< tags of all unacknowledged messages
  std::vector<std::uint64_t> replaced_;  ///< tags whose messages were sent again

  std::uint64_t consumer_ = kReplyConsumer;  ///< number of the last one
  bool consuming_ = false;
  std::size_t prefetch_ = 0;  ///< of the consumer
  std::size_t channel_prefetch_ = 0;
  std::set<std::uint64_t> its_open_;  ///< those of open_ that the consumer brought
  std::size_t will_dequeue_ = 0;

  std::map<std::string, TimePoint> delay_queues_;  ///< when each was last declared
  bool listening_ = false;                         ///< for replies
  std::multiset<std::string, std::less<>> awaited_;
  std::vector<Reply> replies_;
  std::vector<ProgressNote> notes_;
};

}  // namespace workmand::amqp
