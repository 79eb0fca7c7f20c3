// The driver `kafka`: dead letters, in a topic of their own. The key of a letter is the job's id,
// and a record of that key without a payload takes it back: so such a topic may be compacted.
#include <algorithm>
#include <utility>

#include "daemon/queue/drivers/kafka_queue.h"

namespace workmand::kafka {

/// All letters by their ids: reads the topic from its beginning to its end.
std::map<std::string, Record> KafkaQueue::ReadDead() {
  const int partitions = producer_.Partitions(settings_.DeadTopic());
  const std::vector<std::pair<std::string, std::string>> properties = {
      {"bootstrap.servers", settings_.brokers},
      {"group.id", settings_.group + ".dead"},  // asked for by the library; nothing is committed
      {"enable.auto.commit", "false"},
      {"enable.partition.eof", "true"},
      {"auto.offset.reset", "earliest"},
      {"fetch.wait.max.ms", "10"},
  };
  const HandlePtr reader = MakeHandle(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), properties);
  (void)rd_kafka_poll_set_consumer(reader.get());
  const ListPtr list(rd_kafka_topic_partition_list_new(partitions));
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list.get(), settings_.DeadTopic().c_str(), i)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  }
  if (rd_kafka_assign(reader.get(), list.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw ConnectionLost("kafka: the dead letters cannot be read");
  }
  std::map<std::string, Record> letters;
  TimePoint deadline = After(Clock::now(), kPatience);
  for (int at_end = 0; at_end < partitions;) {
    const MessagePtr message(rd_kafka_consumer_poll(reader.get(), 100));
    if (message == nullptr && Clock::now() >= deadline) {
      throw ConnectionLost("kafka: the dead letters did not come within 5 s");
    }
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ++at_end;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    deadline = After(Clock::now(), kPatience);
    const std::string key(static_cast<const char*>(message->key), message->key_len);
    if (message->payload == nullptr) {
      letters.erase(key);
    } else {
      letters.insert_or_assign(key, ReadRecord(*message));
    }
  }
  return letters;
}

std::vector<DeadLetter> KafkaQueue::DeadLetters(std::size_t limit) {
  CheckOpen();
  std::vector<DeadLetter> letters;
  for (auto& [id, record] : ReadDead()) {
    DeadLetter& letter = letters.emplace_back();
    letter.id = id;
    letter.task = std::move(record.job.task);
    letter.payload = std::move(record.job.payload);
    letter.error = std::move(record.error);
    letter.attempts = record.job.attempt;
    letter.deliveries = record.job.deliveries;
    letter.failed_at_ms = record.failed_at_ms;
  }
  std::stable_sort(letters.begin(), letters.end(), [](const DeadLetter& a, const DeadLetter& b) {
    return a.failed_at_ms > b.failed_at_ms;
  });
  if (letters.size() > limit) letters.resize(limit);
  return letters;
}

Outgoing KafkaQueue::EndOfLetter(std::string_view id) const {
  Outgoing end;
  end.topic = settings_.DeadTopic();
  end.key = id;
  end.tombstone = true;
  return end;
}

/// The job goes back before its letter does: it may run twice, but never not at all.
bool KafkaQueue::TakeDead(std::string_view id, bool retry) {
  CheckOpen();
  std::map<std::string, Record> letters = ReadDead();
  const auto found = letters.find(std::string(id));
  if (found == letters.end()) return false;
  if (retry) {
    Record& record = found->second;
    record.job.attempt = 1;
    record.job.deliveries = 1;
    record.error.clear();
    record.failed_at_ms = 0;
    record.not_before_ms = 0;
    Outgoing job;
    job.topic = settings_.topic;
    job.record = &record;
    producer_.Send({&job, 1});
    if (job.error != RD_KAFKA_RESP_ERR_NO_ERROR) throw Rejected(rd_kafka_err2str(job.error));
  }
  Outgoing end = EndOfLetter(id);
  producer_.Send({&end, 1});
  if (end.error != RD_KAFKA_RESP_ERR_NO_ERROR) throw Rejected(rd_kafka_err2str(end.error));
  return true;
}

bool KafkaQueue::RetryDead(std::string_view id) {
  return TakeDead(id, true);
}

bool KafkaQueue::DropDead(std::string_view id) {
  return TakeDead(id, false);
}

void KafkaQueue::SweepDead() {
  const std::int64_t before = NowMs() - settings_.retention.count();
  std::vector<Outgoing> ends;
  for (const auto& [id, record] : ReadDead()) {
    if (record.failed_at_ms <= before) ends.push_back(EndOfLetter(id));
  }
  producer_.Send(ends);
}

}  // namespace workmand::kafka
