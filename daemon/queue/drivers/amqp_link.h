// One connection to a server of AMQP 0-9-1, over librabbitmq, with one channel on which everything
// goes out and comes in. Its socket is polled together with a waker. Frames are read here and not
// by the library's own calls for consumers: those cannot be woken. One thread.
#pragma once

#include <amqp.h>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>

#include "daemon/base/time.h"
#include "daemon/queue/drivers/amqp_message.h"
#include "daemon/queue/drivers/amqp_settings.h"
#include "daemon/queue/queue.h"

namespace workmand::amqp {

/// The consumer of the replies that a waiting caller gets.
inline constexpr std::uint64_t kReplyConsumer = 0;

class Link {
 public:
  Link() = default;
  ~Link() { Close(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Connects, signs in and opens the channel. Throws ConnectionLost, as everything here does.
  void Open(const Settings& settings);
  /// Says goodbye, which gives every unacknowledged message back at once.
  void Close() noexcept;
  [[nodiscard]] bool open() const { return connection_ != nullptr; }

  /// Makes a durable queue, or checks that it is there with these arguments; returns how many
  /// messages wait in it.
  std::uint32_t Declare(const std::string& queue, amqp_table_t arguments);
  /// Whether there is such a queue.
  bool Exists(const std::string& queue);
  void Consume(const std::string& queue, std::uint64_t consumer, bool no_ack);
  void Cancel(std::uint64_t consumer);
  /// How many unacknowledged messages each consumer begun from now on may hold; `shared`: all
  /// together, those included that are held already.
  void SetPrefetch(std::uint16_t n, bool shared);
  void Ack(std::uint64_t tag, bool multiple);

  /// Sends to a queue. `must_arrive`: a queue that is not there is an error.
  void Publish(std::string_view queue, Outgoing& properties, std::string_view body,
               bool must_arrive);
  /// Returns when the server has taken everything that was published.
  void AwaitConfirms();

  /// Takes what has come; never waits. Sends heartbeats when they are due.
  void Read();
  /// Waits for more to read; false when `waker` (may be null) or the deadline was first.
  bool Wait(TimePoint until, const Waker* waker);
  /// What Read has found, the oldest first.
  [[nodiscard]] std::deque<Message>& messages() { return messages_; }

  /// Takes the first message off a queue without a consumer; false when there is none. It stays
  /// unacknowledged on a channel beside the usual one until CloseLook.
  bool Look(const std::string& queue, Message& message);
  void AckLooked(std::uint64_t tag);
  /// Gives back what was looked at and not acknowledged.
  void CloseLook();

  [[noreturn]] void Lose(const std::string& why);

 private:
  void OpenSocket(const Settings& settings);
  void OpenLook();
  void Check(const amqp_rpc_reply_t& reply, std::string_view what);
  void CheckStatus(int status, std::string_view what);
  void TakeFrame(const amqp_frame_t& frame);
  void TakeMethod(const amqp_method_t& method);
  void Confirm(std::uint64_t number, bool multiple);
  void FinishMessage();
  void Drop() noexcept;

  amqp_connection_state_t connection_ = nullptr;
  std::string name_;
  std::deque<Message> messages_;
  Message coming_;
  bool coming_is_return_ = false;
  std::uint64_t left_ = 0;  ///< bytes of the coming message's body
  std::uint64_t published_ = 0;
  std::set<std::uint64_t> unconfirmed_;
  bool looking_ = false;
};

}  // namespace workmand::amqp
