// Records go to a Kafka cluster, over librdkafka: a batch at a time, each acknowledged by all
// replicas in sync before the call returns. One thread; the library has threads of its own.
#pragma once

#include <cstdint>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <span>
#include <string>

#include "daemon/base/time.h"
#include "daemon/queue/drivers/kafka_record.h"

namespace workmand::kafka {

/// So long may the cluster take to answer.
inline constexpr Duration kPatience{5'000};
inline constexpr std::int32_t kAnyPartition = RD_KAFKA_PARTITION_UA;

struct DestroyHandle {
  void operator()(rd_kafka_t* handle) const;
};
using HandlePtr = std::unique_ptr<rd_kafka_t, DestroyHandle>;

/// A record on its way, and where it came to lie. What it points to must live until Send returns.
struct Outgoing {
  std::string topic;
  std::int32_t partition = kAnyPartition;  ///< kAnyPartition: the library chooses
  const Record* record = nullptr;
  bool with_id = true;
  std::string key;         ///< empty = none
  bool tombstone = false;  ///< the record has no payload: it ends its key
  std::int64_t offset = -1;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

class Producer {
 public:
  Producer() = default;
  ~Producer() = default;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Throws ConnectionLost. `brokers`: "host:port,host:port".
  void Open(const std::string& brokers);
  void Close() noexcept { handle_.reset(); }
  [[nodiscard]] bool open() const { return handle_ != nullptr; }

  /// Asks for a topic, which makes it where the cluster makes topics by itself; returns how many
  /// partitions it has. Throws ConnectionLost.
  int Partitions(const std::string& topic);
  /// Sends all and waits. A record that the cluster refuses has an `error`; throws ConnectionLost
  /// when one may or may not have come through.
  void Send(std::span<Outgoing> records);

 private:
  HandlePtr handle_;
  std::string brokers_;
};

/// A handle with these properties, name and value in turn; takes the events of `conf` along.
/// Throws ConnectionLost.
[[nodiscard]] HandlePtr MakeHandle(rd_kafka_type_t type, rd_kafka_conf_t* conf,
                                   std::span<const std::pair<std::string, std::string>> properties);

}  // namespace workmand::kafka
