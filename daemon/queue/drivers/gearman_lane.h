// One connection to one job server, for the worker's and the client's side alike: connects without
// blocking, buffers both ways, counts barriers. It never waits; LanePoller waits for many lanes and
// a Waker at once. It knows packets, not jobs, and never reconnects: a lost lane is thrown away.
#pragma once

#include <cstddef>
#include <poll.h>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/queue/drivers/gearman_address.h"
#include "daemon/queue/drivers/gearman_packet.h"
#include "daemon/queue/queue.h"

namespace workmand::gearman {

/// How long connecting and the first answer may take.
inline constexpr Duration kConnectTimeout{2'000};
/// A server that owes an answer for so long is taken for dead.
inline constexpr Duration kSilenceLimit{30'000};

class Lane {
 public:
  enum class State {
    kConnecting,
    kGreeting,  ///< connected; the server has not answered the first barrier
    kUp,
    kLost,
  };

  /// Begins to connect to the first address; the others are tried in turn. The first barrier is
  /// sent with whatever Out() holds by then, so that the lane is up only once a Gearman server has
  /// answered, not when a kernel has accepted.
  Lane(std::vector<Address> addresses, TimePoint now);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  Lane(Lane&&) = delete;
  Lane& operator=(Lane&&) = delete;

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] int fd() const { return fd_; }
  /// What poll(2) should wait for.
  [[nodiscard]] short WantedEvents() const;

  /// Bytes to be sent; append packets to it, then Flush.
  [[nodiscard]] std::string& Out() { return out_; }
  /// Asks the server for a sign that it has read all that stands before this in Out().
  void Barrier(TimePoint now);
  /// Every barrier so far has been answered.
  [[nodiscard]] bool Confirmed() const { return barriers_asked_ == barriers_answered_; }
  /// Since when the oldest unanswered barrier waits; kNever when there is none.
  [[nodiscard]] TimePoint WaitingSince() const { return Confirmed() ? kNever : asked_at_; }
  /// Bytes of Out() that the socket has not taken yet.
  [[nodiscard]] std::size_t Unsent() const { return out_.size() - sent_; }
  /// Sends what the socket takes now.
  void Flush();

  /// Does what poll(2) found possible: connect on, send, read once.
  void Work(short events);
  /// Reads once if something is there, without a poll before it.
  void Receive();
  /// The next packet that came, barriers excepted; it is valid until the next Work or Receive.
  /// False when there is none; a stream that cannot be read, or has ended, loses the lane then.
  [[nodiscard]] bool Take(Packet& out);

  /// Ends the lane. `reason` follows the server's name in a sentence. The first reason stays.
  void Lose(std::string reason);
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  void ConnectNext();
  void FinishConnect();

  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  State state_ = State::kConnecting;
  int fd_ = -1;
  std::string out_;
  std::size_t sent_ = 0;  ///< bytes of out_ that the kernel has
  PacketReader reader_;
  std::string ended_;  ///< why nothing more will come, while packets may still be in the reader
  std::size_t barriers_asked_ = 0;
  std::size_t barriers_answered_ = 0;
  TimePoint asked_at_ = kNever;
  std::string reason_;
};

/// Waits for many lanes and a Waker at once. An object, so that its memory serves again.
class LanePoller {
 public:
  /// Includes `lane` in the next Wait.
  void Add(Lane& lane);
  /// Waits until an added lane has something to do, `waker` (may be null) is set, or `until` has
  /// come, lets the lanes work and forgets them. True when the waker was set.
  bool Wait(const Waker* waker, TimePoint until);

 private:
  std::vector<Lane*> lanes_;
  std::vector<pollfd> fds_;
};

}  // namespace workmand::gearman
