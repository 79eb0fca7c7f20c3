#include "daemon/queue/drivers/redis_settings.h"

#include <charconv>

namespace workmand::redis {
namespace {

constexpr std::uint16_t kDefaultPort = 6379;
constexpr std::string_view kUrlKey = "url";
constexpr std::string_view kDefaultUrl = "redis://127.0.0.1:6379";

Result<int> ParseDatabase(std::string_view path) {
  if (path.empty() || path == "/") return 0;
  path.remove_prefix(1);
  int number = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
  if (error != std::errc() || end != path.data() + path.size() || number < 0) {
    return Fail(ErrorCode::kInvalid, "must end with the number of a database, like redis://host/0");
  }
  return number;
}

}  // namespace

std::string Address::Name() const {
  const bool bare_ipv6 = host.find(':') != std::string::npos;
  return (bare_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" +
         std::to_string(database);
}

Result<Address> ParseAddress(std::string_view text) {
  const auto url = ParseQueueUrl(text);
  if (!url) return tl::unexpected(url.error());
  if (url->scheme == "rediss") {
    return Fail(ErrorCode::kInvalid,
                "must begin with redis:// (rediss:// asks for TLS, which this driver does not "
                "speak; put a TLS proxy such as stunnel before the server)");
  }
  if (url->scheme != "redis") {
    return Fail(ErrorCode::kInvalid, "must begin with redis:// (got " + url->scheme + "://)");
  }
  if (url->hosts.size() > 1) return Fail(ErrorCode::kInvalid, "must name one server");
  Address address;
  if (!url->hosts.empty()) {
    const auto where = ParseHostPort(url->hosts.front(), kDefaultPort);
    if (!where) return tl::unexpected(where.error());
    address.host = where->host;
    address.port = where->port;
  }
  const auto database = ParseDatabase(url->path);
  if (!database) return tl::unexpected(database.error());
  address.database = *database;
  address.user = url->user;
  address.password = url->password;
  return address;
}

void CheckKeys(const QueueOptions& options, std::span<const std::string_view> own,
               std::vector<QueueKeyError>& errors) {
  std::vector<std::string_view> known(own.begin(), own.end());
  known.push_back(kUrlKey);
  CheckKnownKeys(options, known, errors);
  const auto url = GetString(options, kUrlKey, kDefaultUrl);
  CheckValue(kUrlKey, url, errors);
  if (url) CheckValue(kUrlKey, ParseAddress(*url), errors);
}

Result<Settings> MakeSettings(const DriverConfig& config) {
  const auto url = GetString(config.options, kUrlKey, kDefaultUrl);
  if (!url) return Fail(ErrorCode::kInvalid, "url: " + url.error().message);
  const auto address = ParseAddress(*url);
  if (!address) return Fail(ErrorCode::kInvalid, "url: " + address.error().message);
  Settings settings;
  settings.address = *address;
  settings.lease_time = config.lease_time;
  settings.result_ttl = config.result_ttl;
  settings.dead_letter_retention = config.dead_letter_retention;
  return settings;
}

}  // namespace workmand::redis
