// Names in NATS: the subject of a task, the consumer that serves it, and what the server says of a
// delivery in the subject of its acknowledgement. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace workmand::nats {

/// The last word of a task's subject: bytes that a word cannot have, and `%`, as %HH.
[[nodiscard]] std::string WordOfTask(std::string_view task);
/// The durable consumer that all daemons share for one task; readable as far as its rules allow.
[[nodiscard]] std::string ConsumerOfTask(std::string_view task);

struct Delivery {
  std::string consumer;
  std::string id;  ///< the number of the message in the stream
  std::int64_t put_at_ms = 0;
};
/// Reads "$JS.ACK.…"; nothing when it is none.
[[nodiscard]] std::optional<Delivery> ReadDelivery(std::string_view subject);

/// Why this cannot be a stream, or a subject before the task; empty when it can.
[[nodiscard]] std::string WhyNoStream(std::string_view name);
[[nodiscard]] std::string WhyNoSubject(std::string_view subject);

}  // namespace workmand::nats
