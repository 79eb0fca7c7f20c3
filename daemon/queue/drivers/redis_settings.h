// The keys that all drivers on Redis share, and what an instance is made with. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/options.h"
#include "daemon/queue/registry.h"

namespace workmand::redis {

/// Where a server is, and who is asking.
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string user;
  std::string password;
  int database = 0;
  /// For messages; without the password.
  [[nodiscard]] std::string Name() const;
};

struct Settings {
  Address address;
  Duration lease_time{60'000};
  Duration result_ttl{3'600'000};     ///< 0 = kept until they are collected
  Duration dead_letter_retention{0};  ///< 0 = kept for ever
};

/// "redis://[user:password@]host[:port][/database]". A URL of another scheme, and one that asks for
/// TLS, is refused with a sentence that does not repeat it.
[[nodiscard]] Result<Address> ParseAddress(std::string_view text);

/// Adds what is wrong with `url`, with unknown keys, and with values that are no plain words.
/// `own`: the driver's keys besides `url`.
void CheckKeys(const QueueOptions& options, std::span<const std::string_view> own,
               std::vector<QueueKeyError>& errors);

[[nodiscard]] Result<Settings> MakeSettings(const DriverConfig& config);

}  // namespace workmand::redis
