#include "daemon/queue/drivers/kafka_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/profile/units.h"
#include "daemon/queue/options.h"

namespace workmand::kafka {
namespace {

constexpr std::string_view kUrlKey = "url";
constexpr std::string_view kDefaultUrl = "kafka://127.0.0.1:9092";
constexpr std::string_view kTopicKey = "topic";
constexpr std::string_view kGroupKey = "group";
constexpr std::string_view kDefaultGroup = "workmand";
constexpr std::string_view kSessionKey = "session_timeout";
constexpr std::string_view kDefaultSession = "10s";
constexpr auto kKeys =
    std::to_array<std::string_view>({kUrlKey, kTopicKey, kGroupKey, kSessionKey});
constexpr std::uint16_t kPort = 9092;
/// Kafka takes 249 bytes; ".retry" and ".dead" stand behind the name of the topic.
constexpr std::size_t kLongestTopic = 249 - 6;
constexpr Duration kShortestSession{1'000};
constexpr Duration kLongestSession{300'000};

/// "host:port,host:port".
Result<std::string> ParseBrokers(std::string_view text) {
  const auto url = ParseQueueUrl(text);
  if (!url) return tl::unexpected(url.error());
  if (url->scheme != "kafka") {
    return Fail(ErrorCode::kInvalid, "must begin with kafka:// (got " + url->scheme + "://)");
  }
  if (!url->user.empty() || !url->password.empty()) {
    return Fail(ErrorCode::kInvalid,
                "has a user or a password: neither SASL nor TLS is served; use a listener of the "
                "cluster without them, in a network of its own");
  }
  if (!url->path.empty() && url->path != "/") {
    return Fail(ErrorCode::kInvalid, "must end after the brokers: topic and group have keys");
  }
  std::string brokers;
  for (const std::string& host : url->hosts) {
    const auto where = ParseHostPort(host, kPort);
    if (!where) return tl::unexpected(where.error());
    const bool bare_ipv6 = where->host.find(':') != std::string::npos;
    if (!brokers.empty()) brokers += ',';
    brokers += bare_ipv6 ? "[" + where->host + "]" : where->host;
    brokers += ":" + std::to_string(where->port);
  }
  return brokers.empty() ? "127.0.0.1:" + std::to_string(kPort) : brokers;
}

bool MayStandInTopic(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

/// The profile's name with what the name of a topic cannot have as "_".
std::string DefaultTopic(std::string name) {
  for (char& c : name) {
    if (!MayStandInTopic(c)) c = '_';
  }
  return ("workman." + name).substr(0, kLongestTopic);
}

Result<std::string> GetTopic(const QueueOptions& options, const std::string& fallback) {
  auto topic = GetString(options, kTopicKey, fallback);
  if (!topic) return topic;
  const bool good = !topic->empty() && *topic != "." && *topic != ".." &&
                    std::all_of(topic->begin(), topic->end(), MayStandInTopic);
  if (!good) {
    return Fail(ErrorCode::kInvalid, "\"" + *topic +
                                         "\" is not the name of a topic: letters, digits, and "
                                         ". _ - only");
  }
  if (topic->size() > kLongestTopic) {
    return Fail(ErrorCode::kInvalid,
                "is longer than 243 bytes: Kafka takes 249, and \".retry\" stands behind it");
  }
  return topic;
}

Result<std::string> GetGroup(const QueueOptions& options) {
  auto group = GetString(options, kGroupKey, kDefaultGroup);
  if (group && group->empty()) return Fail(ErrorCode::kInvalid, "must not be empty");
  return group;
}

Result<Duration> GetSession(const QueueOptions& options) {
  const auto text = GetString(options, kSessionKey, kDefaultSession);
  if (!text) return tl::unexpected(text.error());
  auto time = ParseDuration(*text);
  if (time && (*time < kShortestSession || *time > kLongestSession)) {
    return Fail(ErrorCode::kInvalid, "must be between 1s and 5m");
  }
  return time;
}

}  // namespace

std::vector<QueueKeyError> CheckKafkaOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  const auto url = GetString(options, kUrlKey, kDefaultUrl);
  CheckValue(kUrlKey, url, errors);
  if (url) CheckValue(kUrlKey, ParseBrokers(*url), errors);
  CheckValue(kTopicKey, GetTopic(options, "x"), errors);
  CheckValue(kGroupKey, GetGroup(options), errors);
  CheckValue(kSessionKey, GetSession(options), errors);
  return errors;
}

Result<Settings> ReadSettings(const DriverConfig& config) {
  const auto errors = CheckKafkaOptions(config.options);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  Settings settings;
  settings.brokers = *ParseBrokers(*GetString(config.options, kUrlKey, kDefaultUrl));
  settings.topic = *GetTopic(config.options, DefaultTopic(config.profile_name));
  settings.group = *GetGroup(config.options);
  settings.session_timeout = *GetSession(config.options);
  settings.lease = config.lease_time;
  settings.retention = config.dead_letter_retention;
  return settings;
}

}  // namespace workmand::kafka
