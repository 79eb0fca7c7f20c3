// A relay between a driver and its server, on a thread of its own: it counts what passes, can put
// something else in the place of the server's answers, and does to connections what networks do.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
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
  /// Any thread. How often connections were cut.
  [[nodiscard]] std::size_t cuts() const { return cuts_; }
  // What follows may be called by any thread, and holds from when it returns.

  /// From now on whatever a server says becomes `bytes`; empty: as it is.
  void Garble(std::string bytes);
  /// Resets all connections. New ones are taken.
  void Cut();
  enum class From : std::uint8_t { kServer, kClient };
  /// Lets so many bytes more pass from one side, and then cuts. 0 from the server: what is asked
  /// next reaches it, and its answer reaches nobody.
  void CutAfter(std::size_t bytes, From side = From::kServer);
  /// Forgets a CutAfter that has not come about.
  void DoNotCut();
  /// Ends all connections in the direction of the client only, which may go on sending.
  void HalfClose();
  /// Passes nothing on, in neither direction, until Release. Connections stay.
  void Hold();
  void Release();

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool asked = false;   ///< the client was the last that sent something
    bool halved = false;  ///< the client was told that nothing more comes
  };
  static constexpr std::size_t kNoCut = ~std::size_t{0};

  void Run();
  void Accept();
  /// Passes on what has come; false when one side has ended.
  bool Pass(Pair& pair, bool from_client);
  std::string_view BeforeCut(std::string_view bytes, From side);
  bool Serve(Pair& pair, short client, short server);
  void Obey();
  void Wake() const;

  std::uint16_t server_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int wake_ = -1;  ///< an eventfd
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> answers_{0};
  std::atomic<std::size_t> cuts_{0};
  std::mutex mutex_;  ///< guards what follows; the thread has it but for its waits
  std::condition_variable obeyed_;
  std::string garbled_;
  std::size_t left_ = kNoCut;  ///< bytes that pass before the cut
  From side_ = From::kServer;  ///< whose bytes
  bool stop_ = false;
  bool cut_ = false;
  bool halve_ = false;
  bool held_ = false;
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace workmand::conformance
