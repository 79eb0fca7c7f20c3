#include "daemon/queue/drivers/kafka_producer.h"

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "daemon/queue/queue.h"

namespace workmand::kafka {
namespace {

/// What librdkafka takes before it sends; the cluster has limits of its own, and says so.
constexpr const char* kMostMessage = "67108864";

struct DestroyTopic {
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};
struct DestroyMetadata {
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};

/// What the reports of one call of Send are counted in.
struct Batch {
  std::size_t due = 0;
};
struct Ticket {
  Batch* batch = nullptr;
  Outgoing* record = nullptr;
};

void OnReport(rd_kafka_t* /*handle*/, const rd_kafka_message_t* message, void* /*opaque*/) {
  const auto& ticket = *static_cast<Ticket*>(message->_private);
  ticket.record->error = message->err;
  ticket.record->partition = message->partition;
  ticket.record->offset = message->offset;
  --ticket.batch->due;
}

/// What the cluster, or the library for it, says of a record that it will not take later either.
constexpr auto kRefusals = std::to_array<rd_kafka_resp_err_t>(
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
     RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_INVALID_RECORD,
     RD_KAFKA_RESP_ERR_POLICY_VIOLATION});

bool IsRefusal(rd_kafka_resp_err_t error) {
  return std::find(kRefusals.begin(), kRefusals.end(), error) != kRefusals.end();
}

rd_kafka_resp_err_t Produce(rd_kafka_t* handle, const Outgoing& out, Ticket& ticket) {
  rd_kafka_headers_t* const headers =
      out.tombstone ? rd_kafka_headers_new(1) : MakeHeaders(*out.record, out.with_id);
  // Without a copy: the payload lives as long as the record.
  void* const payload = out.tombstone ? nullptr : const_cast<char*>(out.record->job.payload.data());
  const std::size_t size = out.tombstone ? 0 : out.record->job.payload.size();
  std::array<rd_kafka_vu_t, 6> words{};
  words[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  words[0].u.cstr = out.topic.c_str();
  words[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  words[1].u.i32 = out.partition;
  words[2].vtype = RD_KAFKA_VTYPE_VALUE;
  words[2].u.mem = {payload, size};
  words[3].vtype = RD_KAFKA_VTYPE_KEY;
  // It is copied, and not written to.
  words[3].u.mem = {out.key.empty() ? nullptr : const_cast<char*>(out.key.data()), out.key.size()};
  words[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  words[4].u.headers = headers;
  words[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
  words[5].u.ptr = &ticket;
  rd_kafka_error_t* const error = rd_kafka_produceva(handle, words.data(), words.size());
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  rd_kafka_headers_destroy(headers);
  return code;
}

}  // namespace

void DestroyHandle::operator()(rd_kafka_t* handle) const {
  // Whoever leaves a group has done so before.
  rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

HandlePtr MakeHandle(rd_kafka_type_t type, rd_kafka_conf_t* conf,
                     std::span<const std::pair<std::string, std::string>> properties) {
  std::array<char, 512> why{};
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      throw ConnectionLost("kafka: " + std::string(why.data()));
    }
  }
  // What goes wrong is told by whoever called; the library's own lines would tell it once more.
  rd_kafka_conf_set_log_cb(conf, nullptr);
  HandlePtr handle(rd_kafka_new(type, conf, why.data(), why.size()));
  if (handle != nullptr) return handle;
  rd_kafka_conf_destroy(conf);
  throw ConnectionLost("kafka: " + std::string(why.data()));
}

void Producer::Open(const std::string& brokers) {
  brokers_ = brokers;
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set_dr_msg_cb(conf, OnReport);
  const std::string patience = std::to_string(kPatience.count());
  const std::array<std::pair<std::string, std::string>, 9> properties = {{
      {"bootstrap.servers", brokers},
      {"enable.idempotence", "true"},  // no second copy when the library sends again
      {"acks", "all"},
      {"linger.ms", "0"},
      {"message.timeout.ms", patience},
      {"message.max.bytes", kMostMessage},
      {"socket.timeout.ms", patience},
      {"reconnect.backoff.max.ms", "1000"},
      {"topic.metadata.propagation.max.ms", "1000"},
  }};
  handle_ = MakeHandle(RD_KAFKA_PRODUCER, conf, properties);
}

int Producer::Partitions(const std::string& topic) {
  if (!open()) throw ConnectionLost("kafka: not connected");
  const std::unique_ptr<rd_kafka_topic_t, DestroyTopic> handle(
      rd_kafka_topic_new(handle_.get(), topic.c_str(), nullptr));
  if (handle == nullptr) throw ConnectionLost("kafka: no such topic can be: " + topic);
  const TimePoint deadline = After(Clock::now(), kPatience);
  std::string why;
  do {
    const auto left = static_cast<int>(Until(Clock::now(), deadline).count());
    const rd_kafka_metadata_t* found = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(handle_.get(), 0, handle.get(), &found, std::max(left, 1));
    const std::unique_ptr<const rd_kafka_metadata_t, DestroyMetadata> owner(found);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      throw ConnectionLost("kafka " + brokers_ + ": " + rd_kafka_err2str(error));
    }
    if (found->topic_cnt == 1) {
      const rd_kafka_metadata_topic_t& about = found->topics[0];
      if (about.err == RD_KAFKA_RESP_ERR_NO_ERROR && about.partition_cnt > 0) {
        return about.partition_cnt;
      }
      why = rd_kafka_err2str(about.err);
    }
    // A topic that is being made has no leader for a moment.
    std::this_thread::sleep_for(Duration{50});
  } while (Clock::now() < deadline);
  throw ConnectionLost("kafka " + brokers_ + ": topic " + topic + ": " + why);
}

void Producer::Send(std::span<Outgoing> records) {
  if (records.empty()) return;
  if (!open()) throw ConnectionLost("kafka: not connected");
  Batch batch;
  std::vector<Ticket> tickets(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    Outgoing& out = records[i];
    tickets[i] = {&batch, &out};
    while ((out.error = Produce(handle_.get(), out, tickets[i])) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      (void)rd_kafka_poll(handle_.get(), 100);
    }
    if (out.error == RD_KAFKA_RESP_ERR_NO_ERROR) ++batch.due;
  }
  // Each is reported: after message.timeout.ms as a failure. What is later than that is taken back.
  const TimePoint deadline = After(Clock::now(), 2 * kPatience);
  while (batch.due > 0) {
    (void)rd_kafka_poll(handle_.get(), 100);
    if (Clock::now() < deadline) continue;
    (void)rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  }
  for (const Outgoing& out : records) {
    if (out.error == RD_KAFKA_RESP_ERR_NO_ERROR || IsRefusal(out.error)) continue;
    throw ConnectionLost("kafka " + brokers_ + ": topic " + out.topic + ": " +
                         rd_kafka_err2str(out.error));
  }
}

}  // namespace workmand::kafka
