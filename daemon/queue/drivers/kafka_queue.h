// The queue of a Kafka topic. Jobs are read as a member of a group and end in any order (see
// kafka_window.h). A log cannot take a record back, so what comes again is written anew: into
// TOPIC.retry, which is read by a group of its own, and what failed for good into TOPIC.dead.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/kafka_group.h"
#include "daemon/queue/drivers/kafka_producer.h"
#include "daemon/queue/drivers/kafka_settings.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand::kafka {

Caps KafkaCaps();

class KafkaQueue final : public Queue {
 public:
  KafkaQueue(Settings settings, Role role) : settings_(std::move(settings)), role_(role) {}

  [[nodiscard]] Caps GetCaps() const override { return KafkaCaps(); }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  std::vector<DeadLetter> DeadLetters(std::size_t limit) override;
  bool RetryDead(std::string_view id) override;
  bool DropDead(std::string_view id) override;

 private:
  enum Line : std::size_t { kNew, kRetry, kLines };

  /// Came, and is not handed out.
  struct Waiting {
    Line line = kNew;
    Group::Fetched fetched;
    TimePoint since;  ///< when it came
  };
  struct Hold {
    Line line = kNew;
    Place place;
    Record record;
    bool sent = false;  ///< what is to be written for its end has been written
  };
  /// What an Apply has in hand.
  struct Round {
    std::deque<Record> records;  ///< what the sends point to
    std::vector<Outgoing> sends;
    std::vector<std::size_t> of;                       ///< sends[i] is for updates[of[i]]
    std::vector<std::pair<std::size_t, Token>> ended;  ///< updates that end a hold
  };

  void CheckOpen() const;
  [[nodiscard]] std::string Trouble() const;
  void Join();
  [[nodiscard]] bool Serves(const std::string& task) const;
  void Sort(Waiting waiting);
  void Read(std::size_t n);
  void TakeDue(TimePoint now);
  bool HandOut(std::vector<Job>& out, std::size_t n);
  void MoveParked(TimePoint now);
  [[nodiscard]] TimePoint NextDue() const;
  void Prepare(std::size_t index, const Update& update, Hold& hold, Applied& answer, Round& round);
  void AddPut(Round& round, std::size_t index, const Enqueue& job) const;
  void AddSend(Round& round, std::size_t index, const std::string& topic, Record record);
  static void TellRefused(const Outgoing& out);
  [[nodiscard]] std::int32_t ElsewherePartition();
  void Finish(std::span<Applied> answers, Round& round);
  std::array<std::set<std::int32_t>, kLines> EndAll(std::span<const Applied> answers,
                                                    const Round& round);
  void Retire(Token token);
  std::map<std::string, Record> ReadDead();
  [[nodiscard]] Outgoing EndOfLetter(std::string_view id) const;
  bool TakeDead(std::string_view id, bool retry);
  void SweepDead();

  Settings settings_;
  Role role_;
  Producer producer_;
  std::array<Group, kLines> groups_;
  Waker bell_;  ///< rung by the groups
  std::set<std::string> tasks_;
  bool every_task_ = false;
  int retry_partitions_ = 0;
  std::int32_t last_partition_ = 0;
  std::deque<Waiting> ready_;
  std::multimap<TimePoint, Waiting> delayed_;
  std::deque<Waiting> parked_;   ///< of tasks that are not served here; the oldest first
  std::size_t aside_bytes_ = 0;  ///< payloads in delayed_ and parked_
  std::unordered_map<Token, Hold> holds_;
  std::uint64_t last_token_ = 0;
  TimePoint next_sweep_{};
};

}  // namespace workmand::kafka
