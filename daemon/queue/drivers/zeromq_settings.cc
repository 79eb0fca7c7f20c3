#include "daemon/queue/drivers/zeromq_settings.h"

#include <array>
#include <sys/un.h>
#include <utility>

#include "daemon/queue/options.h"

namespace workmand::zeromq {
namespace {

constexpr std::string_view kPullKey = "pull";
constexpr std::string_view kRouterKey = "router";
constexpr std::string_view kBindKey = "bind";
constexpr auto kKeys = std::to_array<std::string_view>({kPullKey, kRouterKey, kBindKey});
constexpr auto kBooleans = std::to_array<std::string_view>({"true", "false"});
constexpr std::string_view kTcp = "tcp://";
constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kEveryAddress = "*";

/// Why this is no endpoint for both sides; empty = it is.
std::string WhyNoTcp(std::string_view address, bool worker_binds) {
  if (address.ends_with(":*") || address.ends_with(":0")) {
    return "must name a port: the other side could not know one that is chosen by chance";
  }
  const Result<HostPort> parsed = ParseHostPort(address, 0);
  if (!parsed) return parsed.error().message;
  if (parsed->port == 0 || address.starts_with(':')) return "must be tcp://HOST:PORT";
  if (parsed->host == kEveryAddress && !worker_binds) {
    return "must name a host: with \"bind: false\" the workers connect, and nobody can connect to "
           "\"*\"";
  }
  return {};
}

std::string WhyNoEndpoint(std::string_view endpoint, bool worker_binds) {
  if (endpoint.starts_with(kTcp)) return WhyNoTcp(endpoint.substr(kTcp.size()), worker_binds);
  if (endpoint.starts_with(kIpc)) {
    const std::string_view path = endpoint.substr(kIpc.size());
    if (path.empty() || path == "*") return "must name the file of the socket after ipc://";
    return {};
  }
  if (endpoint.starts_with("inproc://")) {
    return "cannot be inproc://, which reaches nobody outside of the daemon";
  }
  return "must begin with tcp:// or ipc://";
}

void CheckEndpoint(const QueueOptions& options, std::string_view key, bool worker_binds,
                   std::vector<QueueKeyError>& errors) {
  if (!HasKey(options, key)) return;
  const auto endpoint = GetString(options, key, "");
  CheckValue(key, endpoint, errors);
  if (!endpoint) return;
  std::string why = WhyNoEndpoint(*endpoint, worker_binds);
  if (!why.empty()) errors.push_back({std::string(key), std::move(why)});
}

/// A relative file lies beside the profile, wherever a program was started.
std::string Absolute(const std::string& endpoint, const std::string& folder) {
  if (!endpoint.starts_with(kIpc)) return endpoint;
  const std::string path = endpoint.substr(kIpc.size());
  if (path.starts_with('/') || path.starts_with('@')) return endpoint;
  return std::string(kIpc) + folder + "/" + path;
}

/// A program on the machine of a daemon that listens on every address finds it on the loopback.
std::string ToConnectTo(const std::string& endpoint) {
  const std::string every = std::string(kTcp) + std::string(kEveryAddress) + ":";
  if (!endpoint.starts_with(every)) return endpoint;
  return std::string(kTcp) + "127.0.0.1:" + endpoint.substr(every.size());
}

}  // namespace

std::vector<QueueKeyError> CheckZeromqOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  const auto bind = GetChoice(options, kBindKey, kBooleans, "true");
  CheckValue(kBindKey, bind, errors);
  const bool worker_binds = !bind || *bind == "true";
  const bool pull = HasKey(options, kPullKey);
  const bool router = HasKey(options, kRouterKey);
  if (pull && router) {
    errors.push_back({std::string(kRouterKey), "cannot stand beside \"pull\": choose one"});
  } else if (!pull && !router) {
    errors.push_back({std::string(kPullKey),
                      "is missing: the endpoint for jobs without an answer, such as "
                      "tcp://127.0.0.1:5555; or \"router\" for jobs with one"});
  }
  CheckEndpoint(options, kPullKey, worker_binds, errors);
  CheckEndpoint(options, kRouterKey, worker_binds, errors);
  return errors;
}

Result<Settings> ReadSettings(const DriverConfig& config) {
  const QueueOptions& options = config.options;
  const auto errors = CheckZeromqOptions(options);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  Settings settings;
  settings.router = HasKey(options, kRouterKey);
  settings.worker_binds = *GetChoice(options, kBindKey, kBooleans, "true") == "true";
  const std::string_view key = settings.router ? kRouterKey : kPullKey;
  settings.worker_endpoint = Absolute(*GetString(options, key, ""), config.directory);
  if (settings.worker_endpoint.size() >= kIpc.size() + sizeof(sockaddr_un::sun_path) &&
      settings.worker_endpoint.starts_with(kIpc)) {
    return Fail(ErrorCode::kInvalid, std::string(key) + ": the path of the socket is too long: " +
                                         settings.worker_endpoint.substr(kIpc.size()));
  }
  settings.producer_endpoint = ToConnectTo(settings.worker_endpoint);
  return settings;
}

}  // namespace workmand::zeromq
