// The two ends of the driver `zeromq`. There is no queue between them: a job goes from the caller
// straight to the daemon that is there, and lives in its memory from then on. So the workers' end
// keeps what a queue would keep: jobs that come back, and jobs that no worker serves yet.
#pragma once

#include <deque>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/queue/drivers/zeromq_message.h"
#include "daemon/queue/drivers/zeromq_settings.h"
#include "daemon/queue/drivers/zeromq_socket.h"
#include "daemon/queue/queue.h"

namespace workmand::zeromq {

Caps ZeromqCaps(bool router);
/// Why the queue cannot take such a job; empty = it can.
std::string WhyRefused(const Enqueue& job, bool router);
/// A name for a job whose caller gave it none; unlike every other, also of other processes.
std::string MakeId();

/// What a daemon's consumer has.
class ZeromqWorkers final : public Queue {
 public:
  explicit ZeromqWorkers(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Caps GetCaps() const override { return ZeromqCaps(settings_.router); }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;

 private:
  struct Held {
    Job job;
    Route route;        ///< its envelope is empty where nobody waits for an answer
    TimePoint due;      ///< not before this
    TimePoint give_up;  ///< when no worker serves its task by then
  };

  [[nodiscard]] bool Serves(const std::string& task) const;
  bool ReadHeld(Frames& frames, Held& held);
  void HandOut(Held held, std::vector<Job>& out);
  void HandOutKept(std::vector<Job>& out, std::size_t n);
  void Fetch(std::vector<Job>& out, std::size_t n);
  void Keep(Held held, Duration delay);
  [[nodiscard]] TimePoint NextDue() const;
  void GiveUpUnserved();
  void ReadTheRest();
  void Lose(const Held& held, std::string_view why);
  void Answer(const Route& route, bool done, std::string_view bytes);
  void Settle(const Update& update, Held held);
  bool PutFollowUps(const std::vector<Enqueue>& jobs);

  Settings settings_;
  Socket socket_;
  std::set<std::string> tasks_;
  bool every_task_ = false;
  std::unordered_map<Token, Held> holds_;  ///< handed out
  std::list<Held> kept_;                   ///< not handed out, in the order in which they came
  std::uint64_t last_token_ = 0;
  std::uint64_t no_jobs_ = 0;
  std::uint64_t lost_ = 0;
};

/// What `workman enqueue` and a daemon's producer have. The socket is opened by the first job: with
/// `bind: false` it would keep the endpoint from the programs that it belongs to.
class ZeromqCallers final : public Queue {
 public:
  explicit ZeromqCallers(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Caps GetCaps() const override { return ZeromqCaps(settings_.router); }
  void Connect() override { Disconnect(); }
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override;
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;

 private:
  void Open();
  std::string PutUntil(const Enqueue& job, TimePoint deadline);
  void ReadAnswers();

  Settings settings_;
  Socket socket_;
  std::deque<std::string> awaited_;  ///< ids, the oldest first
  std::vector<Reply> replies_;       ///< to awaited ones
};

}  // namespace workmand::zeromq
