// The keys of the driver `zeromq` in a profile, and the endpoint for each side. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/queue/registry.h"

namespace workmand::zeromq {

struct Settings {
  bool router = false;  ///< else pull
  bool worker_binds = true;
  std::string worker_endpoint;
  std::string producer_endpoint;
};

std::vector<QueueKeyError> CheckZeromqOptions(const QueueOptions& options);
Result<Settings> ReadSettings(const DriverConfig& config);

}  // namespace workmand::zeromq
