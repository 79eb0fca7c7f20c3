// The queue of a JetStream: one stream, a subject for each task, and for each task a durable pull
// consumer that all daemons share. A held job is named by the subject of its acknowledgement, which
// holds over a reconnect. The server does not look whether an acknowledgement is that of the latest
// delivery, so an instance counts for itself until when a job is its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/nats_link.h"
#include "daemon/queue/queue.h"

namespace workmand::nats {

struct Settings {
  Address address;
  std::string stream;
  std::string subject;
  Duration lease{60'000};
};

Caps NatsCaps();

class NatsQueue final : public Queue {
 public:
  explicit NatsQueue(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Caps GetCaps() const override { return NatsCaps(); }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  [[nodiscard]] TimePoint TickDue() const override { return next_touch_; }

 private:
  /// A task that is served.
  struct Lane {
    std::string task;
    Duration lease{0};  ///< what the consumer has; the first daemon that served the task chose it
    std::uint64_t pull = 0;  ///< the latest request for jobs
    std::size_t wanted = 0;  ///< jobs that may still come for it
    TimePoint until;         ///< then it is over
  };
  struct Hold {
    std::string reply;  ///< where it is acknowledged
    Duration lease{0};
    TimePoint until;  ///< then it is no longer ours
    TimePoint touch_at = kNever;
  };
  /// Came, and was not asked for yet.
  struct Waiting {
    Job job;
    Hold hold;
  };

  enum class Answer : std::uint8_t { kNone, kGood, kNobody };

  void MakeStream();
  void MakeConsumer(Lane& lane, const std::string& name);
  void Pull(std::size_t n);
  void Take(Mail mail);
  bool HandOut(std::vector<Job>& out, std::size_t n);
  void GiveBackWaiting();
  void Touch();
  bool AwaitAnswer(const std::string& name, TimePoint deadline);
  bool PutFollowUps(const Update& update);
  static std::string Word(const Update& update);

  Settings settings_;
  Link link_;
  std::map<std::string, Lane> lanes_;  ///< by consumer
  bool made_ = false;                  ///< the consumers are there
  std::deque<Waiting> waiting_;
  std::unordered_map<Token, Hold> holds_;
  std::unordered_map<std::string, Answer> acknowledged_;  ///< by the last word of the inbox
  std::uint64_t last_token_ = 0;
  std::uint64_t last_pull_ = 0;
  std::uint64_t last_ack_ = 0;
  TimePoint next_touch_ = kNever;
  TimePoint asked_at_;
};

}  // namespace workmand::nats
