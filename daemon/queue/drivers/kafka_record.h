// A job as a record: its headers, both ways. docs/queues/kafka.md tells other programs of them.
#pragma once

#include <cstdint>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/job.h"

namespace workmand::kafka {

struct DestroyMessage {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using MessagePtr = std::unique_ptr<rd_kafka_message_t, DestroyMessage>;

/// What a record says of a job. `token` of the job is not part of it.
struct Record {
  Job job;
  std::int64_t not_before_ms = 0;  ///< Unix epoch; 0 = at once
  std::string error;               ///< JSON, of a dead letter
  std::int64_t failed_at_ms = 0;   ///< of a dead letter
};

/// Reads a record; what its headers do not say is as in a new job. A job without an id of its own
/// is called by its place, "TOPIC-PARTITION-OFFSET".
[[nodiscard]] Record ReadRecord(const rd_kafka_message_t& message);
[[nodiscard]] std::string IdOfPlace(std::string_view topic, std::int32_t partition,
                                    std::int64_t offset);

/// The headers for a record, to be owned by whoever sends it. `with_id`: also the job's id.
[[nodiscard]] rd_kafka_headers_t* MakeHeaders(const Record& record, bool with_id);

/// Unix epoch.
[[nodiscard]] std::int64_t NowMs();

}  // namespace workmand::kafka
