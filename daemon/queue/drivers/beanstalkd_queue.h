// The queue of a beanstalkd. Holds belong to the connection that reserved them, and a connection
// that waits for a job can do nothing else until one comes. So an instance has several: a desk for
// what needs no hold, lane 0 for jobs that are there already, and one that waits and becomes a lane
// with holds when a job comes to it. Holds that are not touched end by the job's own time to run:
// the driver touches them itself, because the time differs from job to job.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/beanstalkd_job.h"
#include "daemon/queue/drivers/beanstalkd_link.h"
#include "daemon/queue/queue.h"

namespace workmand::beanstalkd {

struct Settings {
  HostPort server;
  /// Looked at for jobs of other programs; our own lie below the first.
  std::vector<std::string> tubes;
  Duration lease{60'000};
  Duration dead_letter_retention{0};  ///< 0 = kept for ever
};

Caps BeanstalkdCaps();

class BeanstalkdQueue final : public Queue {
 public:
  explicit BeanstalkdQueue(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Caps GetCaps() const override { return BeanstalkdCaps(); }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;

  std::string Put(const Enqueue& job) override;
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override;

  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  [[nodiscard]] TimePoint TickDue() const override { return next_touch_; }
  std::optional<std::uint64_t> Size(std::string_view task) override;

  std::vector<DeadLetter> DeadLetters(std::size_t limit) override;
  bool RetryDead(std::string_view id) override;
  bool DropDead(std::string_view id) override;

 private:
  struct Lane {
    Link link;
    std::set<std::string> watched;
    std::size_t held = 0;
    bool waits = false;
  };
  /// Reserved, but not looked at yet.
  struct Raw {
    Lane* lane = nullptr;
    std::string id;
    std::string body;
  };
  struct Hold {
    Lane* lane = nullptr;
    Job job;  ///< without the payload
    Past past;
    std::uint64_t reserves = 0;
    Duration touch_every{0};
    TimePoint touch_at;
  };

  [[nodiscard]] const std::string& stem() const { return settings_.tubes.front(); }
  void SendPut(const std::string& tube, const Enqueue& job);
  std::string ReadPut(std::string& why);

  void Watch(Lane& lane);
  std::unique_ptr<Lane> MakeLane() const;
  void StartWaiting();
  void StopWaiting() noexcept;
  bool TakeWaited(TimePoint deadline, const Waker* waker);
  void SendReserves(std::size_t n);
  bool TakeReserved(TimePoint deadline, const Waker* waker);
  void Deliver(std::vector<Job>& out, std::size_t n);
  bool Describe(Raw& raw, const Answer& statistics, Job& job);
  void LeaveAlone(const Raw& raw, const Job& job, std::uint32_t number);
  void GiveBackRaw();
  void Touch();

  /// What was sent for an update, and which answer is good.
  struct Sent {
    std::size_t update = 0;
    Lane* lane = nullptr;
    const char* good = nullptr;
  };
  bool PutFollowUps(const Update& update);
  void WriteNote(const Hold& hold, const Update& update);
  void SweepDead(TimePoint now);
  static void SendSettlement(const Update& update, Hold& hold, Sent& sent);
  void Forget(Token token);

  /// Whether this job is buried, with its statistics in `answer`.
  bool IsBuried(std::string_view id, Answer& answer);

  Settings settings_;
  Link desk_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Lane* waiter_ = nullptr;
  std::set<std::string> tasks_;
  std::set<std::string> tubes_;  ///< to watch
  std::set<std::string> left_alone_;
  std::vector<Raw> raw_;
  std::unordered_map<Token, Hold> holds_;
  std::uint64_t last_token_ = 0;
  TimePoint next_touch_ = kNever;
  TimePoint asked_at_;
  TimePoint next_sweep_;
};

}  // namespace workmand::beanstalkd
