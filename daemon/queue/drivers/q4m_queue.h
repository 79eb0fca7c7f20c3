// The queue engine of MySQL, Q4M. A row that is taken belongs to a connection, which can hold one
// at a time and gives it back when it closes; so there is a connection, a lane, for each job in
// hand. A lane that waits sits in queue_wait on the server, and its socket is polled beside the
// waker: no thread waits, and a wake is obeyed at once.
//
// A queue_wait on a lane that owns a row would end that row, unasked. So none is sent but on a lane
// that is idle.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/my_session.h"
#include "daemon/queue/drivers/q4m_settings.h"
#include "daemon/queue/queue.h"

namespace workmand::q4m {

Caps Q4mCaps();

class Q4mQueue final : public Queue {
 public:
  explicit Q4mQueue(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Caps GetCaps() const override;
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;

  std::string Put(const Enqueue& job) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  std::optional<std::uint64_t> Size(std::string_view task) override;

 private:
  /// One connection for one row.
  struct Lane {
    enum class State {
      kIdle,
      kAsked,    ///< queue_wait is under way
      kReading,  ///< it owns a row, which is on its way to us
      kReady,    ///< `job` is here, and Dequeue has not handed it out yet
      kHeld,     ///< and now it has
      kParked,   ///< it owns a row of a task that is not ours
    };
    std::unique_ptr<sql::MySession> session;
    State state = State::kIdle;
    TimePoint due;                     ///< kAsked, kReading: no answer then = the server hangs
    TimePoint since;                   ///< in this state
    std::vector<std::size_t> watched;  ///< kAsked: indices of the tables, as they were asked for
    std::size_t table = 0;             ///< kReading and later: where its row is
    Job job;
  };

  sql::MySession& Desk();
  void CheckTables();
  bool PutFollowUps(const Update& update);
  [[nodiscard]] std::string Columns() const;

  [[nodiscard]] bool IsOurs(const std::string& task) const;
  [[nodiscard]] static bool IsAsked(const Lane& lane);
  [[nodiscard]] std::size_t Count(Lane::State state) const;
  [[nodiscard]] TimePoint NextRelease() const;
  Lane* FreeLane(const Waker& waker);
  void Ask(std::size_t n, const Waker& waker);
  void SendWait(Lane& lane, int seconds);
  bool Watch(TimePoint until, const Waker* waker);
  void TakeAnswer(Lane& lane);
  void TakeWait(Lane& lane);
  void TakeRow(Lane& lane);
  void Park(Lane& lane, const std::string& task);
  void Deliver(std::vector<Job>& out, std::size_t n);

  void GiveBack(const std::vector<Lane*>& lanes);
  void GiveBackParked(TimePoint parked_before);
  void GiveBackReady();
  void CloseUnused(TimePoint now);

  Settings settings_;
  std::unique_ptr<sql::MySession>
      desk_;  ///< puts and counts; owns no row, so it sees all that wait
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::deque<Lane*> ready_;
  std::unordered_map<Token, Lane*> holds_;
  std::set<std::string> tasks_;
  bool every_task_ = false;
  std::vector<std::size_t> watched_;  ///< indices of the tables that hold tasks of ours
  std::set<std::string> left_alone_;  ///< tasks whose rows were parked, and of which the log knows
  std::size_t burst_ = 1;             ///< so many lanes ask at once
  TimePoint crowded_until_;           ///< the server wanted no more connections
  bool put_off_ = false;              ///< a lane was not opened because there was a wake
  std::uint64_t last_token_ = 0;
  TimePoint asked_at_;
};

}  // namespace workmand::q4m
