// A relay between a driver and its server, on a thread of its own: it counts what passes, and can
// put something else in the place of the server's answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <poll.h>
#include <string>
#include <thread>
#include <vector>

namespace workmand::conformance {

class Relay {
 public:
  /// Listens on a loopback port that the kernel chooses, for the server on 127.0.0.1:`server`.
  explicit Relay(std::uint16_t server);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Any thread. How many connections there were, and how often a server has answered something
  /// that a client had sent: round trips.
  [[nodiscard]] std::size_t connections() const { return connections_; }
  [[nodiscard]] std::size_t answers() const { return answers_; }
  /// Any thread. From now on whatever a server says becomes `bytes`; empty: as it is.
  void Garble(std::string bytes);

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool asked = false;  ///< the client was the last that sent something
  };

  void Run();
  void Accept();
  /// Passes on what has come; false when one side has ended.
  bool Pass(Pair& pair, bool from_client);
  [[nodiscard]] std::string Garbled() const;

  std::uint16_t server_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int stop_ = -1;  ///< an eventfd
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> answers_{0};
  mutable std::mutex mutex_;
  std::string garbled_;  ///< guarded by mutex_
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace workmand::conformance
