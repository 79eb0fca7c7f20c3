// Where clients of the broker of the tests connect: requests about consumer groups go to the
// coordinator, all others to the mock cluster behind it. One thread for each connection, which
// answers one request after the other, as a broker of Kafka does.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "tests/kafka/coordinator.h"

namespace workmand::kafka_broker {

class Front {
 public:
  /// `behind`: the mock cluster's port, on this machine. Throws system_error.
  explicit Front(std::uint16_t behind);

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Closes all connections, and takes no more until Up.
  void Down();
  void Up();

 private:
  void Accept(int listener);
  void Serve(int client);
  void Relay(int client, int behind);
  [[nodiscard]] std::string Redirect(std::string answer) const;

  std::uint16_t behind_;
  std::uint16_t port_ = 0;
  Coordinator coordinator_;
  std::mutex mutex_;  ///< guards what follows
  int listener_ = -1;
  std::set<int> clients_;
};

/// Listens on 127.0.0.1; port 0 is any, and set to which it is. Throws system_error.
int ListenOn(std::uint16_t& port);

}  // namespace workmand::kafka_broker
