// The queue of the drivers on RabbitMQ: durable queues of a server, each for all tasks. How a job
// stands in a message is the dialect's.
//
// A job that comes back is a new message with the counters in its headers, confirmed by the server
// before the old one is acknowledged: a crash in between makes it two, never none. A delay is a
// queue that nobody reads, whose messages go on to the main queue when their time is over.
//
// Consumers, one for each queue, exist only while jobs are wanted, with a prefetch of so many: what
// is not wanted stays with the server, for others.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/amqp_dialect.h"
#include "daemon/queue/drivers/amqp_link.h"
#include "daemon/queue/drivers/amqp_settings.h"
#include "daemon/queue/queue.h"

namespace workmand::amqp {

[[nodiscard]] Caps AmqpCaps();

class AmqpQueue final : public Queue {
 public:
  AmqpQueue(Settings settings, std::unique_ptr<Dialect> dialect);

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
  /// What a message is to be when it is sent again.
  struct Again {
    int ends = 0;
    int deliveries = 0;
    Duration delay{0};
  };

  // amqp_queue.cc: the session, and taking jobs.
  void Forget();
  void DeclareQueues();
  void TakeMessages();
  void Sort(Message message);
  void Refuse(const Hold& hold);
  bool HandOut(std::vector<Job>& out, std::size_t n);
  [[nodiscard]] std::size_t Room() const;
  void Grant(std::size_t n);
  void Withdraw();
  /// Whether the consumers share one prefetch, for which all that is unacknowledged counts.
  [[nodiscard]] bool SharesPrefetch() const { return settings_.queues.size() > 1; }
  void Acknowledge(std::vector<std::uint64_t>& tags);

  // amqp_put.cc: sending.
  [[nodiscard]] std::string WhyNot(const Enqueue& job) const;
  std::string Send(const Enqueue& job);
  void SendAgain(const Hold& hold, const Again& again);
  std::string DelayQueue(const std::string& queue, Duration delay);
  [[nodiscard]] std::string Destination(std::size_t queue, Duration delay);
  void Bury(const Hold& hold, int ends, std::string_view error);
  std::string NewId();
  void TakeReply(const Message& message);

  // amqp_apply.cc: settling, and dead letters.
  [[nodiscard]] Applied Begin(const Update& update);
  [[nodiscard]] Applied Tell(const Hold& hold, const Update& update);
  bool FindDead(std::string_view id, Hold& found);

  Settings settings_;
  std::unique_ptr<Dialect> dialect_;
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

  std::uint64_t first_consumer_ = kReplyConsumer + 1;  ///< of the last ones; one for each queue
  bool consuming_ = false;
  std::size_t prefetch_ = 0;  ///< of the consumers
  std::size_t channel_prefetch_ = 0;
  std::set<std::uint64_t> counted_;  ///< those of open_ that count against it
  std::size_t will_dequeue_ = 0;

  std::map<std::string, TimePoint> delay_queues_;  ///< when each was last declared
  bool listening_ = false;                         ///< for replies
  std::multiset<std::string, std::less<>> awaited_;
  std::vector<Reply> replies_;
  std::vector<ProgressNote> notes_;
};

}  // namespace workmand::amqp
