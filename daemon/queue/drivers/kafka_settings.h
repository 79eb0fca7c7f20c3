// The keys of the driver `kafka`.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/queue/registry.h"

namespace workmand::kafka {

struct Settings {
  std::string brokers;  ///< "host:port,host:port", as librdkafka takes them
  std::string topic;
  std::string group;
  Duration session_timeout{10'000};
  Duration lease{60'000};  ///< so long may running jobs keep a partition that is to move
  Duration retention{0};   ///< of dead letters; 0 = until somebody removes them
  [[nodiscard]] std::string RetryTopic() const { return topic + ".retry"; }
  [[nodiscard]] std::string DeadTopic() const { return topic + ".dead"; }
};

std::vector<QueueKeyError> CheckKafkaOptions(const QueueOptions& options);
[[nodiscard]] Result<Settings> ReadSettings(const DriverConfig& config);

}  // namespace workmand::kafka
