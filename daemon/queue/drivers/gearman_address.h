// Where the job servers are: the driver's keys read, and names resolved. Resolving blocks, so the
// driver does it in Connect and Tick only, never in a wait that a Waker must be able to end.
#pragma once

#include <cstdint>
#include <string>
#include <sys/socket.h>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/options.h"

namespace workmand::gearman {

/// The servers of `job_servers` or `url`, in order and without repetition; 127.0.0.1:4730 when
/// neither is given. Errors are about the key that they name.
struct ServerList {
  std::vector<HostPort> servers;
  std::vector<QueueKeyError> errors;
};
[[nodiscard]] ServerList ReadServers(const QueueOptions& options);

/// A socket address as connect(2) wants it.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
/// All addresses of a server, in the resolver's order. Blocks for as long as the resolver does.
[[nodiscard]] Result<std::vector<Address>> Resolve(const HostPort& server);

/// "host:port", with brackets around an IPv6 address.
[[nodiscard]] std::string ToString(const HostPort& server);

}  // namespace workmand::gearman
