#include "daemon/queue/drivers/gearman_address.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <netdb.h>

#include <libgearman-1.0/protocol.h>

#include "daemon/queue/drivers.h"

namespace workmand {
namespace gearman {
namespace {

constexpr std::uint16_t kDefaultPort = GEARMAN_DEFAULT_TCP_PORT;
constexpr std::string_view kServersKey = "job_servers";
constexpr std::string_view kUrlKey = "url";

void ReadUrl(const QueueOptions& options, std::vector<std::string>& hosts,
             std::vector<QueueKeyError>& errors) {
  const auto text = GetString(options, kUrlKey, "");
  CheckValue(kUrlKey, text, errors);
  if (!text) return;
  const auto url = ParseQueueUrl(*text);
  CheckValue(kUrlKey, url, errors);
  if (!url) return;
  const auto refuse = [&errors](std::string sentence) {
    errors.push_back({std::string(kUrlKey), std::move(sentence)});
  };
  if (url->scheme != "gearman") {
    refuse("must begin with gearman:// (got " + url->scheme + "://)");
  } else if (!url->user.empty() || !url->password.empty()) {
    refuse("must not hold a user or a password: Gearman knows neither");
  } else if (!url->path.empty() && url->path != "/") {
    refuse("must end after the servers: Gearman has no path");
  } else if (url->hosts.empty()) {
    refuse("must name a server, like gearman://127.0.0.1:4730");
  }
  hosts = url->hosts;
}

}  // namespace

ServerList ReadServers(const QueueOptions& options) {
  ServerList out;
  std::vector<std::string> hosts;
  const bool by_url = HasKey(options, kUrlKey);
  const std::string_view key = by_url ? kUrlKey : kServersKey;
  if (by_url && HasKey(options, kServersKey)) {
    out.errors.push_back({std::string(kServersKey), "must not stand beside url: give one of them"});
  }
  if (by_url) {
    ReadUrl(options, hosts, out.errors);
  } else if (HasKey(options, kServersKey)) {
    const auto list = GetList(options, kServersKey);
    CheckValue(kServersKey, list, out.errors);
    if (list) hosts = *list;
    if (list && hosts.empty()) {
      out.errors.push_back({std::string(kServersKey), "must name at least one server"});
    }
  } else {
    hosts = {"127.0.0.1"};
  }
  for (const std::string& host : hosts) {
    const auto parsed = ParseHostPort(host, kDefaultPort);
    CheckValue(key, parsed, out.errors);
    // A server named twice would be asked twice as often.
    if (parsed && std::find(out.servers.begin(), out.servers.end(), *parsed) == out.servers.end()) {
      out.servers.push_back(*parsed);
    }
  }
  return out;
}

Result<std::vector<Address>> Resolve(const HostPort& server) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code =
      getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (code != 0) {
    return Fail(ErrorCode::kUnavailable, "cannot be resolved: " + std::string(gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Address address;
    if (entry->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

std::string ToString(const HostPort& server) {
  const bool ipv6 = server.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
}

}  // namespace gearman

std::vector<QueueKeyError> CheckGearmanOptions(const QueueOptions& options) {
  constexpr std::array<std::string_view, 2> kKnown{gearman::kServersKey, gearman::kUrlKey};
  std::vector<QueueKeyError> errors = gearman::ReadServers(options).errors;
  CheckKnownKeys(options, kKnown, errors);
  return errors;
}

}  // namespace workmand
