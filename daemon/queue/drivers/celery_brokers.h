// The brokers of Celery that are served: what celery.cc chooses from by the scheme of the URL.
#pragma once

#include <memory>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/options.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand {

namespace redis {
std::vector<QueueKeyError> CheckCeleryLists(const QueueOptions& options);
[[nodiscard]] Result<std::unique_ptr<Queue>> OpenCeleryLists(const DriverConfig& config, Role role);
}  // namespace redis

namespace amqp {
std::vector<QueueKeyError> CheckCeleryAmqp(const QueueOptions& options);
[[nodiscard]] Result<std::unique_ptr<Queue>> OpenCeleryAmqp(const DriverConfig& config, Role role);
}  // namespace amqp

}  // namespace workmand
