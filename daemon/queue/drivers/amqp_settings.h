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
  std::string ca_file;              ///< who vouches for the server, with TLS
  std::vector<std::string> queues;  ///< new jobs go to the first
  bool quorum = false;
  bool priorities = true;  ///< queues are made with them
  bool shared = false;     ///< the queues are other programs', too: they are taken as they are
  Duration dead_letter_retention{0};  ///< 0 = kept for ever
  /// For messages; without the password.
  [[nodiscard]] std::string Name() const;
};

/// The queue of what failed for good.
[[nodiscard]] std::string DeadQueueOf(const std::string& queue);

inline constexpr std::string_view kDefaultUrl = "amqp://127.0.0.1:5672";
inline constexpr std::string_view kUrlKey = "url";
inline constexpr std::string_view kCaKey = "ca_file";
/// The server of a URL; the rest is as by default.
[[nodiscard]] Result<Settings> ParseUrl(std::string_view text);
/// Why a queue cannot have this name; empty when it can.
[[nodiscard]] std::string WhyNoName(std::string_view name);
/// Adds what is wrong with `url` and `ca_file`.
void CheckServer(const QueueOptions& options, std::vector<QueueKeyError>& errors);
/// The server of checked options, and what all drivers share.
[[nodiscard]] Settings ReadServer(const DriverConfig& config);

std::vector<QueueKeyError> CheckOptions(const QueueOptions& options);
[[nodiscard]] Result<Settings> MakeSettings(const DriverConfig& config);

}  // namespace workmand::amqp
