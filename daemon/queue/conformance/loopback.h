// Where servers of tests are, and what stands before them.
#pragma once

#include <cstdint>
#include <netinet/in.h>

namespace workmand::conformance {

/// 127.0.0.1 at `port`.
inline sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace workmand::conformance
