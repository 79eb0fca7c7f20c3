// How a job stands in a message of AMQP, and what its caller is told: what the drivers on RabbitMQ
// differ in. The engine (amqp_queue.h) does the rest. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "daemon/base/job.h"
#include "daemon/base/time.h"
#include "daemon/queue/drivers/amqp_link.h"
#include "daemon/queue/drivers/amqp_message.h"
#include "daemon/queue/queue.h"

namespace workmand::amqp {

/// A message that is ours until it is acknowledged.
struct Hold {
  Message message;
  std::size_t queue = 0;  ///< index in Settings::queues
  std::string id;
  std::string task;
  std::string payload;  ///< until it is handed out
  int ends = 0;         ///< attempts that are over
  int deliveries = 0;   ///< this one included
  /// The job says that its time has not come: it goes away for so long.
  Duration postpone{0};
  /// Why it can never run, a sentence; empty = it can.
  std::string broken;
  /// With `broken`: its end is told, but nobody needs to look at it again.
  bool over = false;

  /// Whether the caller is one of workman's, which reads progress, too.
  [[nodiscard]] bool IsOurCaller() const { return message.properties.Number(kProgressHeader) != 0; }
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  /// Opens what results need besides the server. Throws ConnectionLost, as Flush does.
  virtual void Connect() {}
  virtual void Disconnect() noexcept {}

  /// Fills what the message says of its job: id, task, payload, and why it is not to be run now.
  /// `ends` is filled, and may be raised.
  virtual void Read(Hold& hold) const = 0;

  /// Why this job can never be put; empty when it can.
  [[nodiscard]] virtual std::string WhyNot(const Enqueue& /*job*/) const { return {}; }
  /// Adds the properties of a new job and returns its body; both borrow from `job` and `id`, or lie
  /// in `properties`.
  virtual std::string_view Write(const Enqueue& job, std::string_view id,
                                 Outgoing& properties) const = 0;

  /// Tells the caller of a job: `type` is done, failed, progress or data. What is told here is kept
  /// once Flush has returned and the link's confirms are there.
  virtual void Tell(Link& link, const Hold& hold, std::string_view type, const Update& update);
  virtual void Flush() {}
  /// A reply that is not in workman's words; false = it is no reply.
  virtual bool ReadReply(const Message& /*message*/, Reply& /*reply*/) const { return false; }
};

}  // namespace workmand::amqp
