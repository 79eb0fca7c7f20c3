// The keys of the driver `amqp`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/queue/options.h"
#include "daemon/queue/registry.h"

namespace workmand::amqp {

struct Settings {
  bool tls = false;
  std::string host = "127.0.0.1";
  std::uint16_t port = 5672;
  std::string user = "guest";
  std::string password = "guest";
  std::string vhost = "/";
  std::string ca_file;  ///< who vouches for the server, with TLS
  std::string queue;
  bool quorum = false;
  Duration dead_letter_retention{0};  ///< 0 = kept for ever
  /// For messages; without the password.
  [[nodiscard]] std::string Name() const;
};

std::vector<QueueKeyError> CheckOptions(const QueueOptions& options);
[[nodiscard]] Result<Settings> MakeSettings(const DriverConfig& config);

}  // namespace workmand::amqp
