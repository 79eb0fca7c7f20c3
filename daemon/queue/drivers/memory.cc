// The driver `memory`: jobs live in the daemon and die with it. For tests, benchmarks and a first
// try. An instance is a session of a MemoryStore, which does the work; this file reads the clock
// and waits.
#include <algorithm>
#include <chrono>
#include <poll.h>
#include <utility>

#include "daemon/queue/drivers.h"
#include "daemon/queue/drivers/memory_store.h"
#include "daemon/queue/options.h"

namespace workmand {
namespace {

constexpr Duration kTickInterval{10'000};

MemoryTime ReadClocks() {
  const auto epoch = std::chrono::system_clock::now().time_since_epoch();
  return {Clock::now(), std::chrono::duration_cast<Duration>(epoch).count()};
}

class MemoryQueue final : public Queue {
 public:
  explicit MemoryQueue(const DriverConfig& config)
      : store_(config.memory_store ? config.memory_store : std::make_shared<MemoryStore>()),
        keep_dead_(config.dead_letter_retention) {
    session_.lease = config.lease_time;
  }
  ~MemoryQueue() override { store_->Leave(session_); }
  MemoryQueue(const MemoryQueue&) = delete;
  MemoryQueue& operator=(const MemoryQueue&) = delete;

  [[nodiscard]] Caps GetCaps() const override { return MemoryCaps(); }

  void Connect() override {
    store_->Leave(session_);
    store_->Enter(session_);
  }
  void Disconnect() noexcept override { store_->Leave(session_); }

  void RegisterTasks(std::span<const Subscription> tasks) override {
    store_->Subscribe(session_, tasks);
  }

  std::string Put(const Enqueue& job) override {
    RequireSession();
    return store_->Put(session_, job, ReadClocks());
  }

  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override {
    RequireSession();
    const TimePoint deadline = After(Clock::now(), timeout);
    for (;;) {
      (void)session_.bell.Take();
      if (store_->TakeReplies(session_, out)) return;
      if (WaitForBell(deadline, waker) != Waker::Why::kReady) return;
    }
  }

  void TakeProgress(std::vector<ProgressNote>& out) override { store_->TakeNotes(session_, out); }

  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
               const Waker& waker) override {
    RequireSession();
    if (n == 0) return;
    const std::size_t before = out.size();
    TimePoint now = Clock::now();
    const TimePoint deadline = After(now, timeout);
    for (;;) {
      const TimePoint due = store_->Take(session_, n, out, now);
      if (out.size() > before || now >= deadline) return;
      if (WaitForBell(std::min(due, deadline), waker) == Waker::Why::kWoken) return;
      (void)session_.bell.Take();
      now = Clock::now();
    }
  }

  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    store_->Apply(session_, updates, answers, ReadClocks());
  }

  Duration Tick() override {
    store_->Tick(ReadClocks(), keep_dead_);
    return kTickInterval;
  }

  std::optional<std::uint64_t> Size(std::string_view task) override { return store_->Size(task); }
  std::optional<std::int64_t> OldestMs() override {
    return store_->OldestMs(ReadClocks().epoch_ms);
  }
  std::vector<DeadLetter> DeadLetters(std::size_t limit) override {
    return store_->DeadLetters(limit);
  }
  bool RetryDead(std::string_view id) override { return store_->RetryDead(id, Clock::now()); }
  bool DropDead(std::string_view id) override { return store_->DropDead(id); }

 private:
  void RequireSession() const {
    if (session_.id == 0) throw ConnectionLost("the memory queue is not connected");
  }

  [[nodiscard]] Waker::Why WaitForBell(TimePoint deadline, const Waker& waker) const {
    return waker.Wait(session_.bell.fd(), POLLIN, Until(Clock::now(), deadline));
  }

  std::shared_ptr<MemoryStore> store_;
  Duration keep_dead_;
  MemoryStore::Session session_;
};

}  // namespace

Caps MemoryCaps() {
  return {Cap::kWait | Cap::kForeground | Cap::kPriority | Cap::kUnique | Cap::kDelay |
              Cap::kAttempts | Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kLease | Cap::kProgress | Cap::kPartialData | Cap::kDeadLetter |
              Cap::kInstantRequeue | Cap::kOrdered | Cap::kCount | Cap::kConfirmedAck |
              Cap::kAtLeastOnce | Cap::kUncountedAbort,
          0};
}

std::vector<QueueKeyError> CheckMemoryOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, {}, errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenMemory(const DriverConfig& config, Role /*role*/) {
  return std::make_unique<MemoryQueue>(config);
}

}  // namespace workmand
