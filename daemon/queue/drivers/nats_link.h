// One connection to a NATS server with JetStream, over cnats. What arrives comes on a thread of the
// library; it is put into a mailbox, whose descriptor is polled together with a waker. All else is
// called by one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <nats/nats.h>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

namespace workmand::nats {

/// So long may the server take to accept, and to answer.
inline constexpr Duration kPatience{5'000};

struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string user;
  std::string password;
};

/// What came to the inbox.
struct Mail {
  std::string subject;
  std::string reply;
  std::string bytes;
  int status = 0;  ///< of a message that is no job: 404, 408, 503; 0 = a job or a plain answer
};

/// Shared with the library's threads; lives until the last of them is done with it.
class Mailbox {
 public:
  void Add(Mail mail);
  void Break();
  /// The oldest; nothing when there is none.
  std::optional<Mail> Take();
  [[nodiscard]] bool broken();
  [[nodiscard]] int fd() const { return bell_.fd(); }

 private:
  std::mutex mutex_;
  std::deque<Mail> mails_;
  bool broken_ = false;
  Waker bell_;
};

struct DestroyConnection {
  void operator()(natsConnection* connection) const { natsConnection_Destroy(connection); }
};
struct DestroyContext {
  void operator()(jsCtx* context) const { jsCtx_Destroy(context); }
};
struct DestroySubscription {
  void operator()(natsSubscription* sub) const { natsSubscription_Destroy(sub); }
};

class Link {
 public:
  Link() = default;
  ~Link() { Close(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Connects and opens the inbox. Throws ConnectionLost.
  void Open(const Address& address);
  void Close() noexcept;
  [[nodiscard]] bool open() const { return connection_ != nullptr; }
  [[nodiscard]] jsCtx* stream() const { return context_.get(); }
  /// Where answers with this last word come in.
  [[nodiscard]] std::string Inbox(std::string_view word) const;

  /// Sends now; the answer, if any, comes to `reply` (empty = none wanted).
  void Publish(const std::string& subject, const std::string& reply, std::string_view bytes);
  /// The next mail, or nothing when `waker` (may be null) or the deadline was first.
  std::optional<Mail> AwaitUntil(TimePoint deadline, const Waker* waker);
  /// What came before the connection was closed; nothing when that was all.
  std::optional<Mail> TakeLeft() { return mailbox_ ? mailbox_->Take() : std::nullopt; }
  /// Throws ConnectionLost, with what the server said of itself, unless `status` is good.
  void Check(natsStatus status, const char* what);
  [[noreturn]] void Lose(const std::string& why);

 private:
  std::string name_;
  std::string inbox_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<natsConnection, DestroyConnection> connection_;
  std::unique_ptr<jsCtx, DestroyContext> context_;
  std::unique_ptr<natsSubscription, DestroySubscription> subscription_;
};

}  // namespace workmand::nats
