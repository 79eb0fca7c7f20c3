// One connection to a beanstalkd, over its text protocol, whose socket is polled together with a
// waker. Commands go out in pipelines; answers come in the order of the commands. One thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/time.h"
#include "daemon/queue/options.h"
#include "daemon/queue/queue.h"

namespace workmand::beanstalkd {

/// So long may the server take to accept, and to answer what is not a wait by design.
inline constexpr Duration kConnectTimeout{3'000};
inline constexpr Duration kAnswerTimeout{5'000};

/// "RESERVED 7 2", "xy".
struct Answer {
  std::string line;
  std::string body;
  /// Whether the line is this word, alone or with others behind it.
  [[nodiscard]] bool Is(std::string_view word) const;
  /// The word after the first; empty when there is none.
  [[nodiscard]] std::string_view Argument() const;
};

class Link {
 public:
  Link() = default;
  ~Link() { Close(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Throws ConnectionLost.
  void Open(const HostPort& server);
  void Close() noexcept;
  [[nodiscard]] bool open() const { return fd_ >= 0; }
  /// How many answers are still to come.
  [[nodiscard]] std::size_t due() const { return due_; }

  /// Puts a command, without its line end, into the pipeline; sent by the next wait.
  void Send(std::string_view command);
  /// The same with a body ("put"); the command ends before the number of bytes.
  void SendWithBody(std::string_view command, std::string_view body);
  /// The next answer. Throws ConnectionLost when it does not come within kAnswerTimeout.
  Answer Await();
  /// The next answer, or nothing when `waker` (may be null) or the deadline was first.
  std::optional<Answer> AwaitUntil(TimePoint deadline, const Waker* waker);
  /// Send and Await.
  Answer Ask(std::string_view command);

 private:
  [[noreturn]] void Lose(const std::string& why);
  bool TryConnect(const HostPort& server);
  bool WaitForSocket(bool writing, TimePoint deadline, const Waker* waker) const;
  std::optional<Answer> TakeBuffered();
  void Write();
  void Read();

  int fd_ = -1;
  std::string name_;
  std::string out_;
  std::string in_;
  std::size_t taken_ = 0;  ///< of in_
  std::size_t due_ = 0;
};

}  // namespace workmand::beanstalkd
