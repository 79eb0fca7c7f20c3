// RabbitMQ, over librabbitmq: what the registry is given of it. docs/queues/amqp.md tells the rest.
#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/amqp_own.h"
#include "daemon/queue/drivers/amqp_queue.h"
#include "daemon/queue/drivers/amqp_settings.h"

namespace workmand::amqp {
namespace {

Result<std::unique_ptr<Queue>> OpenAmqp(const DriverConfig& config, Role /*role*/) {
  auto settings = MakeSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  auto dialect = std::make_unique<OwnDialect>(settings->priorities);
  return std::make_unique<AmqpQueue>(std::move(*settings), std::move(dialect));
}

}  // namespace
}  // namespace workmand::amqp

WORKMAN_QUEUE_DRIVER("amqp", workmand::amqp::AmqpCaps, workmand::amqp::CheckOptions,
                     workmand::amqp::OpenAmqp)
