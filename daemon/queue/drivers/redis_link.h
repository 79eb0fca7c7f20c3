// One connection to a Redis server, over hiredis, whose socket is polled together with a waker: so
// every wait has an end. Requests go out in pipelines; replies come in the order of the requests.
// One thread.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hiredis/hiredis.h>

#include "daemon/base/time.h"
#include "daemon/queue/drivers/redis_settings.h"
#include "daemon/queue/queue.h"

namespace workmand::redis {

/// So long may the server take to accept, and to answer what is not a wait by design.
inline constexpr Duration kConnectTimeout{3'000};
inline constexpr Duration kReplyTimeout{5'000};

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

/// The words of a command.
using Args = std::vector<std::string>;

// Reading replies. What is not there, or of another type, is empty, 0 or nothing.
[[nodiscard]] std::string_view Text(const redisReply* reply);
[[nodiscard]] long long Number(const redisReply* reply);
[[nodiscard]] std::span<redisReply* const> Elements(const redisReply* reply);
/// Element `i` of an array; null when there is none.
[[nodiscard]] const redisReply* At(const redisReply* reply, std::size_t i);

class Link {
 public:
  Link() = default;
  ~Link() { Close(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Connects, signs in and chooses the database. Throws ConnectionLost.
  void Open(const Address& address);
  void Close() noexcept;
  [[nodiscard]] bool open() const { return context_ != nullptr; }
  [[nodiscard]] int fd() const { return context_->fd; }
  /// How many replies are still to come.
  [[nodiscard]] std::size_t due() const { return due_; }

  /// Puts a request into the pipeline; sent by the next wait.
  void Send(const Args& words);
  /// The next reply. Throws ConnectionLost when it does not come within kReplyTimeout. An error of
  /// the server is a reply, too.
  Reply Await();
  /// The next reply, or nothing when `waker` (may be null) or the deadline was first.
  Reply AwaitUntil(TimePoint deadline, const Waker* waker);

 private:
  [[noreturn]] void Lose(const std::string& why);
  Reply TakeBuffered();
  bool WaitForSocket(bool writing, TimePoint deadline, const Waker* waker) const;
  void FinishConnect(const Address& address);
  void Expect(const Args& words);

  redisContext* context_ = nullptr;
  std::size_t due_ = 0;
  std::string name_;
};

}  // namespace workmand::redis
