#include "daemon/queue/queue.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/base/check.h"

namespace workmand {

Waker::Waker() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  WORKMAND_CHECK(fd_ >= 0, "eventfd failed");
}

Waker::~Waker() {
  close(fd_);
}

void Waker::Wake() const noexcept {
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is full, that is: set. Nothing else can go wrong.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

bool Waker::Take() const noexcept {
  std::uint64_t count = 0;
  return read(fd_, &count, sizeof count) == sizeof count;
}

Waker::Why Waker::Wait(int fd, short events, Duration timeout) const {
  std::array<pollfd, 2> fds = {{{fd_, POLLIN, 0}, {fd, events, 0}}};
  const nfds_t count = fd >= 0 ? 2 : 1;
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    const Duration left = Until(Clock::now(), deadline);
    const int ms = left > Duration{1'000'000'000} ? -1 : static_cast<int>(left.count());
    const int ready = poll(fds.data(), count, ms);
    if (ready < 0) {
      WORKMAND_CHECK(errno == EINTR, "poll failed");
      continue;
    }
    if (ready == 0) return Why::kTimeout;
    return (fds[0].revents != 0) ? Why::kWoken : Why::kReady;
  }
}

void Queue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                    std::vector<std::string>& why) {
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    try {
      ids[i] = Put(jobs[i]);
    } catch (const Rejected& e) {
      why[i] = e.what();
    }
  }
}

void Queue::Collect(std::vector<Reply>& /*out*/, Duration timeout, const Waker& waker) {
  (void)waker.Wait(-1, 0, timeout);
}

void Queue::TakeProgress(std::vector<ProgressNote>& /*out*/) {}

void Queue::WillDequeue(std::size_t /*n*/) {}

Duration Queue::Tick() {
  return Duration{60'000};
}

TimePoint Queue::TickDue() const {
  return kNever;
}

std::optional<std::uint64_t> Queue::Size(std::string_view /*task*/) {
  return std::nullopt;
}

std::optional<std::int64_t> Queue::OldestMs() {
  return std::nullopt;
}

std::vector<DeadLetter> Queue::DeadLetters(std::size_t /*limit*/) {
  return {};
}

bool Queue::RetryDead(std::string_view /*id*/) {
  return false;
}

bool Queue::DropDead(std::string_view /*id*/) {
  return false;
}

}  // namespace workmand
