// The driver `celery`: the queues of Celery in Redis or RabbitMQ, protocol 2, JSON only, with
// results where AsyncResult looks for them. docs/queues/celery.md describes what is honoured and
// what is not.
#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/celery_brokers.h"
#include "daemon/queue/drivers/redis_lists.h"

namespace workmand::celery {
namespace {

bool IsAmqp(const QueueOptions& options) {
  const auto url = GetString(options, "url", "");
  return url && (url->starts_with("amqp://") || url->starts_with("amqps://"));
}

std::vector<QueueKeyError> CheckOptions(const QueueOptions& options) {
  return IsAmqp(options) ? amqp::CheckCeleryAmqp(options) : redis::CheckCeleryLists(options);
}

Result<std::unique_ptr<Queue>> Open(const DriverConfig& config, Role role) {
  return IsAmqp(config.options) ? amqp::OpenCeleryAmqp(config, role)
                                : redis::OpenCeleryLists(config, role);
}

}  // namespace
}  // namespace workmand::celery

WORKMAN_QUEUE_DRIVER("celery", workmand::redis::ListCaps, workmand::celery::CheckOptions,
                     workmand::celery::Open)
