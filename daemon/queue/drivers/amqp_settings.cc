#include "daemon/queue/drivers/amqp_settings.h"

#include <array>

namespace workmand::amqp {
namespace {

constexpr std::string_view kQueueKey = "queue";
constexpr std::string_view kQuorumKey = "quorum";
constexpr auto kKeys = std::to_array<std::string_view>({kUrlKey, kQueueKey, kQuorumKey, kCaKey});
constexpr auto kYesOrNo = std::to_array<std::string_view>({"false", "true"});

constexpr std::string_view kDefaultCa = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::uint16_t kPort = 5672;
constexpr std::uint16_t kTlsPort = 5671;
/// A short string of AMQP has 255 bytes; the names of the queues beside this one need some.
constexpr std::size_t kLongestName = 200;

Result<std::string> GetName(const QueueOptions& options, const std::string& fallback) {
  auto name = GetString(options, kQueueKey, fallback);
  if (!name) return name;
  if (std::string why = WhyNoName(*name); !why.empty()) return Fail(ErrorCode::kInvalid, why);
  return name;
}

}  // namespace

std::string WhyNoName(std::string_view name) {
  if (name.empty()) return "must not be empty";
  if (name.starts_with("amq.")) {
    return "must not begin with \"amq.\", which is the server's own";
  }
  return name.size() > kLongestName ? "is longer than 200 bytes" : "";
}

std::string DeadQueueOf(const std::string& queue) {
  return queue + ".dead";
}

Result<Settings> ParseUrl(std::string_view text) {
  const auto url = ParseQueueUrl(text);
  if (!url) return tl::unexpected(url.error());
  Settings settings;
  settings.tls = url->scheme == "amqps";
  if (!settings.tls && url->scheme != "amqp") {
    return Fail(ErrorCode::kInvalid,
                "must begin with amqp:// or amqps:// (got " + url->scheme + "://)");
  }
  if (url->hosts.size() > 1) return Fail(ErrorCode::kInvalid, "must name one server");
  settings.port = settings.tls ? kTlsPort : kPort;
  if (!url->hosts.empty()) {
    const auto where = ParseHostPort(url->hosts.front(), settings.port);
    if (!where) return tl::unexpected(where.error());
    settings.host = where->host;
    settings.port = where->port;
  }
  if (!url->user.empty()) {
    settings.user = url->user;
    settings.password = url->password;
  }
  if (url->path.size() > 1) settings.vhost = url->path.substr(1);
  return settings;
}

std::string Settings::Name() const {
  const bool bare_ipv6 = host.find(':') != std::string::npos;
  return (bare_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + " vhost " + vhost;
}

void CheckServer(const QueueOptions& options, std::vector<QueueKeyError>& errors) {
  const auto url = GetString(options, kUrlKey, kDefaultUrl);
  CheckValue(kUrlKey, url, errors);
  if (url) CheckValue(kUrlKey, ParseUrl(*url), errors);
  CheckValue(kCaKey, GetString(options, kCaKey, kDefaultCa), errors);
}

Settings ReadServer(const DriverConfig& config) {
  Settings settings = *ParseUrl(*GetString(config.options, kUrlKey, kDefaultUrl));
  settings.ca_file = *GetString(config.options, kCaKey, kDefaultCa);
  settings.dead_letter_retention = config.dead_letter_retention;
  return settings;
}

std::vector<QueueKeyError> CheckOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  CheckServer(options, errors);
  CheckValue(kQueueKey, GetName(options, "x"), errors);
  CheckValue(kQuorumKey, GetChoice(options, kQuorumKey, kYesOrNo, "false"), errors);
  return errors;
}

Result<Settings> MakeSettings(const DriverConfig& config) {
  const auto errors = CheckOptions(config.options);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  const auto name = GetName(config.options, "workman." + config.profile_name);
  if (!name) return Fail(ErrorCode::kInvalid, "queue: " + name.error().message);
  Settings settings = ReadServer(config);
  settings.queues = {*name};
  settings.quorum = *GetChoice(config.options, kQuorumKey, kYesOrNo, "false") == "true";
  settings.priorities = !settings.quorum;  // quorum queues know none
  return settings;
}

}  // namespace workmand::amqp
