#include "daemon/cli/live_queue.h"

#include <exception>

namespace workmand::cli {

Result<std::unique_ptr<Queue>> ConnectQueue(const Profile& profile) {
  return ConnectQueue(MakeDriverConfig(profile));
}

Result<std::unique_ptr<Queue>> ConnectQueue(const DriverConfig& config) {
  Result<std::unique_ptr<Queue>> queue = OpenQueue(config, Role::kProducer);
  if (!queue) return queue;
  try {
    (*queue)->Connect();
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kUnavailable,
                "cannot reach the queue (" + config.options.driver + "): " + error.what());
  }
  return queue;
}

}  // namespace workmand::cli
