#include "daemon/queue/prefix.h"

#include <algorithm>
#include <utility>

namespace workmand {
namespace {

class PrefixedQueue final : public Queue {
 public:
  PrefixedQueue(std::unique_ptr<Queue> inner, std::string prefix)
      : inner_(std::move(inner)), prefix_(std::move(prefix)) {}

  [[nodiscard]] Caps GetCaps() const override { return inner_->GetCaps(); }
  void Connect() override { inner_->Connect(); }
  void Disconnect() noexcept override { inner_->Disconnect(); }
  Duration Tick() override { return inner_->Tick(); }
  [[nodiscard]] TimePoint TickDue() const override { return inner_->TickDue(); }
  std::optional<std::int64_t> OldestMs() override { return inner_->OldestMs(); }

  void RegisterTasks(std::span<const Subscription> tasks) override {
    std::vector<Subscription> prefixed(tasks.begin(), tasks.end());
    for (Subscription& subscription : prefixed) {
      if (subscription.task == "*") {
        throw Rejected("the task \"*\" cannot be combined with queue.prefix");
      }
      subscription.task.insert(0, prefix_);
    }
    inner_->RegisterTasks(prefixed);
  }

  std::string Put(const Enqueue& job) override { return inner_->Put(Prefixed(job)); }

  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override {
    std::vector<Enqueue> prefixed;
    prefixed.reserve(jobs.size());
    for (const Enqueue& job : jobs) prefixed.push_back(Prefixed(job));
    inner_->PutMany(prefixed, ids, why);
  }

  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override {
    inner_->Collect(out, timeout, waker);
  }

  void TakeProgress(std::vector<ProgressNote>& out) override { inner_->TakeProgress(out); }

  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
               const Waker& waker) override {
    const std::size_t before = out.size();
    inner_->Dequeue(out, n, timeout, waker);
    for (std::size_t i = before; i < out.size(); ++i) RemovePrefix(out[i].task);
  }

  void WillDequeue(std::size_t n) override { inner_->WillDequeue(n); }

  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    const bool follow_ups = std::any_of(updates.begin(), updates.end(),
                                        [](const Update& u) { return !u.enqueue.empty(); });
    if (!follow_ups) {
      inner_->Apply(updates, answers);
      return;
    }
    std::vector<Update> prefixed(updates.begin(), updates.end());
    for (Update& update : prefixed) {
      for (Enqueue& job : update.enqueue) job.task = PrefixedName(job.task);
    }
    inner_->Apply(prefixed, answers);
  }

  std::optional<std::uint64_t> Size(std::string_view task) override {
    return inner_->Size(PrefixedName(task));
  }

  std::vector<DeadLetter> DeadLetters(std::size_t limit) override {
    std::vector<DeadLetter> letters = inner_->DeadLetters(limit);
    for (DeadLetter& letter : letters) RemovePrefix(letter.task);
    return letters;
  }
  bool RetryDead(std::string_view id) override { return inner_->RetryDead(id); }
  bool DropDead(std::string_view id) override { return inner_->DropDead(id); }

 private:
  /// An empty name stays empty, so that the driver can refuse it (a job), or count all (Size).
  [[nodiscard]] std::string PrefixedName(std::string_view task) const {
    return task.empty() ? std::string() : prefix_ + std::string(task);
  }
  void RemovePrefix(std::string& task) const {
    if (task.starts_with(prefix_)) task.erase(0, prefix_.size());
  }
  [[nodiscard]] Enqueue Prefixed(Enqueue job) const {
    job.task = PrefixedName(job.task);
    return job;
  }

  std::unique_ptr<Queue> inner_;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<Queue> WithPrefix(std::unique_ptr<Queue> inner, std::string prefix) {
  if (prefix.empty()) return inner;
  return std::make_unique<PrefixedQueue>(std::move(inner), std::move(prefix));
}

}  // namespace workmand
