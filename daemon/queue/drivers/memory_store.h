// The jobs of the driver `memory`: one store for all instances of a daemon, under one mutex. Driven
// by drivers/memory.cc, with the time as an argument. It reads no clock, never blocks for longer
// than its mutex is held, and keeps nothing beyond the life of the process.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

namespace workmand {

/// The moment of a call: for deadlines, and for the times that people read.
struct MemoryTime {
  TimePoint now;
  std::int64_t epoch_ms = 0;
};

class MemoryStore {
 public:
  using Slot = std::uint32_t;

  struct TaskQueue {
    std::string name;
    std::array<std::deque<Slot>, 3> ready;  ///< by priority
    std::uint64_t waiting = 0;              ///< ready or delayed
  };

  /// One instance's place in the store, owned by the instance. All but `bell` is the store's.
  struct Session {
    /// Rung when the instance waits and something came for it. Sticky: take it before waiting.
    Waker bell;
    Duration lease{60'000};  ///< how long its holds last
    std::uint64_t id = 0;    ///< 0 = not entered
    bool waiting = false;
    bool every_task = false;
    std::vector<TaskQueue*> tasks;
    std::size_t turn = 0;  ///< which task is asked first, so that none starves
    std::vector<Reply> replies;
    std::vector<ProgressNote> notes;
  };

  MemoryStore() = default;
  ~MemoryStore() = default;
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  void Enter(Session& session);
  /// Gives back what `session` holds, in the old order, and forgets it.
  void Leave(Session& session);
  void Subscribe(Session& session, std::span<const Subscription> tasks);

  /// Returns the id; throws Rejected.
  std::string Put(Session& session, const Enqueue& job, const MemoryTime& time);
  /// Appends up to `n` jobs. When there are none, `session` counts as waiting from now on, and the
  /// moment is returned at which a delayed job or a lease falls due; else kNever.
  TimePoint Take(Session& session, std::size_t n, std::vector<Job>& out, TimePoint now);
  void Apply(Session& session, std::span<const Update> updates, std::span<Applied> answers,
             const MemoryTime& time);
  /// Moves the replies to `out`; false, and waiting from now on, when there is neither a reply nor
  /// a note.
  bool TakeReplies(Session& session, std::vector<Reply>& out);
  void TakeNotes(Session& session, std::vector<ProgressNote>& out);
  /// Gives back holds whose lease is over, lets delayed jobs fall due, and drops dead letters older
  /// than `keep_dead`.
  void Tick(const MemoryTime& time, Duration keep_dead);

  /// Jobs waiting, delayed ones included; "" = of all tasks.
  std::uint64_t Size(std::string_view task);
  std::optional<std::int64_t> OldestMs(std::int64_t epoch_ms);
  std::vector<DeadLetter> DeadLetters(std::size_t limit);
  bool RetryDead(std::string_view id, TimePoint now);
  bool DropDead(std::string_view id);

 private:
  static constexpr Slot kNone = ~Slot{0};

  enum class State : std::uint8_t { kFree, kReady, kDelayed, kHeld };
  struct Entry {
    std::uint64_t number = 0;  ///< its id
    TaskQueue* task = nullptr;
    std::string payload;
    std::string unique;
    int ends = 0;
    int deliveries = 0;
    int max_attempts = 0;
    Priority priority = Priority::kNormal;
    State state = State::kFree;
    /// +1 whenever a hold begins or ends: the fence in the token.
    std::uint32_t generation = 0;
    std::uint64_t holder = 0;
    TimePoint lease_until;
    Slot previous = kNone;  ///< of the held ones, by lease_until
    Slot next = kNone;
    std::int64_t enqueued_at_ms = 0;
    std::vector<std::uint64_t> waiters;  ///< sessions that wait for the result
  };
  struct Delayed {
    TimePoint due;
    std::uint64_t number;  ///< first in, first out among equals
    Slot slot;
    friend bool operator>(const Delayed& a, const Delayed& b) {
      return std::pair(a.due, a.number) > std::pair(b.due, b.number);
    }
  };
  struct Dead {
    DeadLetter letter;
    std::string unique;
    int max_attempts = 0;
    Priority priority = Priority::kNormal;
    std::uint64_t number = 0;
    std::int64_t enqueued_at_ms = 0;
  };
  using DeadList = std::deque<Dead>;

  static Token TokenOf(Slot slot, std::uint32_t generation);
  static void Check(const Enqueue& job);
  TaskQueue& TaskNamed(std::string_view name);
  Slot NewSlot();
  void Free(Slot slot);
  /// A new job, or the one with the same unique key that is still under way; returns its number.
  std::uint64_t Add(std::uint64_t waiter, const Enqueue& job, const MemoryTime& time);
  std::uint64_t Insert(std::uint64_t number, std::uint64_t waiter, const Enqueue& job,
                       const MemoryTime& time);
  void MakeReady(Slot slot, bool in_front);
  void PutBack(Slot slot, Duration delay, TimePoint now, bool in_front);
  void FallDue(TimePoint now);
  Job HandOut(Slot slot, const Session& session, TimePoint now);
  void Hold(Slot slot);
  void Release(Slot slot);
  void TakeAtPriority(Session& session, std::size_t priority, std::size_t n, std::vector<Job>& out,
                      TimePoint now);
  std::optional<Slot> HeldBy(const Session& session, Token token) const;
  Applied ApplyOne(const Session& session, const Update& update, const MemoryTime& time);
  void Settle(Slot slot, const Update& update, const MemoryTime& time);
  void Bury(Slot slot, const Update& update, std::int64_t epoch_ms);
  void Answer(const Entry& entry, Reply::State state, const std::string& bytes);
  void Note(const Entry& entry, const Update& update);
  void Ring(Session& session);
  DeadList::iterator FindDead(std::string_view id);

  std::mutex mutex_;
  std::uint64_t last_session_ = 0;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Session*> sessions_;
  std::map<std::string, std::unique_ptr<TaskQueue>, std::less<>> tasks_;
  std::array<std::uint64_t, 3> ready_{};  ///< how many, by priority
  std::deque<Entry> entries_;             ///< by slot
  std::vector<Slot> free_;
  Slot held_first_ = kNone;
  Slot held_last_ = kNone;
  std::priority_queue<Delayed, std::vector<Delayed>, std::greater<>> delayed_;
  std::unordered_map<std::string, Slot> unique_;  ///< by task, NUL, key
  DeadList dead_;                                 ///< the oldest first
};

}  // namespace workmand
