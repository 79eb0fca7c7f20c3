// Helpers for a driver's keys in the `queue:` block: which are known, their values by type, and
// URLs. Pure. Every error is a sentence about the value alone; the profile loader adds file, line
// and key before it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/profile/load.h"
#include "daemon/profile/profile.h"

namespace workmand {

/// Adds an error for each key that is not in `known`, with the nearest known one as a hint.
void CheckKnownKeys(const QueueOptions& options, std::span<const std::string_view> known,
                    std::vector<QueueKeyError>& errors);

/// Adds the error of `value`, if it is one, under `key`. For checkers:
/// `CheckValue("synchronous", GetChoice(...), errors)`.
template <typename T>
void CheckValue(std::string_view key, const Result<T>& value, std::vector<QueueKeyError>& errors) {
  if (!value) errors.push_back({std::string(key), value.error().message});
}

[[nodiscard]] bool HasKey(const QueueOptions& options, std::string_view key);
/// The scalar of `key`, or `fallback` when it is absent; a list is an error.
[[nodiscard]] Result<std::string> GetString(const QueueOptions& options, std::string_view key,
                                            std::string_view fallback);
/// The sequence of `key`; a scalar counts as a list of one; absent = empty.
[[nodiscard]] Result<std::vector<std::string>> GetList(const QueueOptions& options,
                                                       std::string_view key);
/// One word out of `choices`; absent = `fallback`.
[[nodiscard]] Result<std::string> GetChoice(const QueueOptions& options, std::string_view key,
                                            std::span<const std::string_view> choices,
                                            std::string_view fallback);

/// The word of `known` that `word` was probably meant to be; empty when none is near.
[[nodiscard]] std::string_view Nearest(std::string_view word,
                                       std::span<const std::string_view> known);
/// "a, b and c".
[[nodiscard]] std::string JoinWords(std::span<const std::string_view> words);

/// "scheme://user:password@hosts/path", taken apart and percent-decoded, but for the hosts.
struct QueueUrl {
  std::string scheme;  ///< in lower case
  std::string user;
  std::string password;
  std::vector<std::string> hosts;  ///< "host" or "host:port", split at commas; may be empty
  std::string path;                ///< with its leading "/"; empty when there is none
};
/// Takes a URL apart. Never repeats the URL in an error: it may hold a password.
[[nodiscard]] Result<QueueUrl> ParseQueueUrl(std::string_view text);

struct HostPort {
  std::string host;  ///< without the brackets of an IPv6 address
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};
/// "host", "host:port", "[::1]:port" or ":port" (= 127.0.0.1).
[[nodiscard]] Result<HostPort> ParseHostPort(std::string_view text, std::uint16_t default_port);

}  // namespace workmand
