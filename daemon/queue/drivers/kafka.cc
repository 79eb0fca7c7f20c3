// The driver `kafka`: what it can do, the session, and how jobs are put. docs/queues/kafka.md tells
// other programs what they find in its topics.
#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/kafka_queue.h"

namespace workmand::kafka {
namespace {

/// An id for a job that is not called by its place: it is put into one topic and may end in
/// another.
std::string NewId() {
  std::random_device random;
  std::array<char, 17> id{};
  (void)std::snprintf(id.data(), id.size(), "%08x%08x", random(), random());
  return id.data();
}

Result<std::unique_ptr<Queue>> OpenKafka(const DriverConfig& config, Role role) {
  auto settings = ReadSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  return std::make_unique<KafkaQueue>(std::move(*settings), role);
}

}  // namespace

Caps KafkaCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kDelay | Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kHoldSurvives | Cap::kDurable | Cap::kDeadLetter | Cap::kConfirmedAck |
              Cap::kAtLeastOnce | Cap::kUncountedAbort;
  return caps;
}

void KafkaQueue::CheckOpen() const {
  if (!producer_.open()) throw ConnectionLost("kafka: not connected");
  const std::string trouble = Trouble();
  if (!trouble.empty()) throw ConnectionLost("kafka " + settings_.brokers + ": " + trouble);
}

std::string KafkaQueue::Trouble() const {
  for (const Group& group : groups_) {
    std::string trouble = group.Trouble();
    if (!trouble.empty()) return trouble;
  }
  return {};
}

void KafkaQueue::Connect() {
  producer_.Open(settings_.brokers);
  try {
    (void)producer_.Partitions(settings_.topic);
    retry_partitions_ = producer_.Partitions(settings_.RetryTopic());
    if (role_ == Role::kConsumer) Join();
  } catch (const ConnectionLost&) {
    producer_.Close();
    throw;
  }
}

void KafkaQueue::Join() {
  for (const Line line : {kNew, kRetry}) {
    Group& group = groups_[line];
    if (group.broken()) group.Close(false);
    group.ClearTrouble();
    if (group.open()) continue;
    Membership membership;
    membership.brokers = settings_.brokers;
    membership.topic = line == kNew ? settings_.topic : settings_.RetryTopic();
    // Of its own, so that both topics are shared out evenly, each for itself.
    membership.group = line == kNew ? settings_.group : settings_.group + ".retry";
    membership.session_timeout = settings_.session_timeout;
    membership.leave_patience = settings_.lease;
    membership.bell = bell_.fd();
    group.Open(std::move(membership));
  }
}

void KafkaQueue::Disconnect() noexcept {
  producer_.Close();
  // The membership outlives a connection that was lost: the cluster may not have missed us at all.
  // An end on purpose gives the partitions to others; but a member that is still joining goes on.
  if (!Trouble().empty()) return;
  for (Group& group : groups_) {
    if (group.joined()) group.Close(true);
  }
  ready_.clear();
  delayed_.clear();
  parked_.clear();
  aside_bytes_ = 0;
}

namespace {

/// Throws Rejected for what a log cannot do.
Record RecordOf(const Enqueue& job) {
  if (job.task.empty()) throw Rejected("a job needs the name of a task");
  if (job.foreground) throw Rejected("kafka has no results: nobody can wait for this job");
  if (!job.unique.empty()) throw Rejected("kafka has no unique keys");
  if (job.priority != Priority::kNormal) throw Rejected("kafka has no priorities");
  Record record;
  record.job.task = job.task;
  record.job.payload = job.payload;
  record.job.max_attempts = job.max_attempts;
  if (job.delay > Duration{0}) {
    record.job.id = NewId();
    record.not_before_ms = NowMs() + job.delay.count();
  }
  return record;
}

}  // namespace

void KafkaQueue::AddPut(Round& round, std::size_t index, const Enqueue& job) const {
  const Record& record = round.records.emplace_back(RecordOf(job));
  Outgoing& out = round.sends.emplace_back();
  const bool later = record.not_before_ms > 0;
  out.topic = later ? settings_.RetryTopic() : settings_.topic;
  out.record = &record;
  out.with_id = later;
  round.of.push_back(index);
}

std::string KafkaQueue::Put(const Enqueue& job) {
  std::vector<std::string> ids;
  std::vector<std::string> why;
  PutMany({&job, 1}, ids, why);
  if (ids.front().empty()) throw Rejected(why.front());
  return ids.front();
}

void KafkaQueue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                         std::vector<std::string>& why) {
  CheckOpen();
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  Round round;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    try {
      AddPut(round, i, jobs[i]);
    } catch (const Rejected& rejected) {
      why[i] = rejected.what();
    }
  }
  producer_.Send(round.sends);
  for (std::size_t i = 0; i < round.sends.size(); ++i) {
    const Outgoing& out = round.sends[i];
    const std::size_t index = round.of[i];
    if (out.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      why[index] = std::string("kafka refused the job: ") + rd_kafka_err2str(out.error);
    } else {
      ids[index] =
          out.with_id ? out.record->job.id : IdOfPlace(out.topic, out.partition, out.offset);
    }
  }
}

}  // namespace workmand::kafka

WORKMAN_QUEUE_DRIVER("kafka", workmand::kafka::KafkaCaps, workmand::kafka::CheckKafkaOptions,
                     workmand::kafka::OpenKafka)
