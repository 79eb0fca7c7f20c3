#include "daemon/queue/drivers/memory_store.h"

#include <algorithm>

#include "daemon/base/check.h"

namespace workmand {
namespace {

/// A freed slot keeps its strings, so that the next job in it needs no allocation, unless they are
/// large.
constexpr std::size_t kKeptCapacity = 4096;

std::string UniqueKey(std::string_view task, std::string_view unique) {
  std::string key(task);
  key += '\0';
  key += unique;
  return key;
}

std::size_t Rank(Priority priority) {
  return static_cast<std::size_t>(priority);
}

}  // namespace

void MemoryStore::Enter(Session& session) {
  const std::lock_guard lock(mutex_);
  session.id = ++last_session_;
  sessions_.emplace(session.id, &session);
}

void MemoryStore::Leave(Session& session) {
  const std::lock_guard lock(mutex_);
  if (session.id == 0) return;
  // From the last to the first, each to the front: the order stays what it was.
  for (Slot slot = held_last_; slot != kNone;) {
    const Slot previous = entries_[slot].previous;
    if (entries_[slot].holder == session.id) {
      Release(slot);
      MakeReady(slot, true);
    }
    slot = previous;
  }
  sessions_.erase(session.id);
  session.id = 0;
  session.waiting = false;
  session.replies.clear();
  session.notes.clear();
}

void MemoryStore::Subscribe(Session& session, std::span<const Subscription> tasks) {
  const std::lock_guard lock(mutex_);
  session.tasks.clear();
  session.every_task = false;
  for (const Subscription& subscription : tasks) {
    if (subscription.task == "*") {
      session.every_task = true;
      continue;
    }
    TaskQueue* task = &TaskNamed(subscription.task);
    const bool known =
        std::find(session.tasks.begin(), session.tasks.end(), task) != session.tasks.end();
    if (!known) session.tasks.push_back(task);
  }
}

MemoryStore::TaskQueue& MemoryStore::TaskNamed(std::string_view name) {
  auto found = tasks_.find(name);
  if (found == tasks_.end()) {
    auto task = std::make_unique<TaskQueue>();
    task->name = name;
    found = tasks_.emplace(std::string(name), std::move(task)).first;
  }
  return *found->second;
}

Token MemoryStore::TokenOf(Slot slot, std::uint32_t generation) {
  return Token{(std::uint64_t{generation} << 32U) | slot};
}

void MemoryStore::Check(const Enqueue& job) {
  if (job.task.empty()) throw Rejected("a job needs the name of a task");
  if (job.task == "*") throw Rejected("\"*\" is not the name of a task");
}

std::string MemoryStore::Put(Session& session, const Enqueue& job, const MemoryTime& time) {
  Check(job);
  const std::lock_guard lock(mutex_);
  return std::to_string(Add(job.foreground ? session.id : 0, job, time));
}

std::uint64_t MemoryStore::Add(std::uint64_t waiter, const Enqueue& job, const MemoryTime& time) {
  return Insert(last_number_ + 1, waiter, job, time);
}

std::uint64_t MemoryStore::Insert(std::uint64_t number, std::uint64_t waiter, const Enqueue& job,
                                  const MemoryTime& time) {
  Slot slot = kNone;
  if (!job.unique.empty()) {
    const auto [found, added] = unique_.try_emplace(UniqueKey(job.task, job.unique), kNone);
    if (!added) {
      // The same work is under way: the caller waits for that.
      Entry& entry = entries_[found->second];
      auto& waiters = entry.waiters;
      const bool waits = std::find(waiters.begin(), waiters.end(), waiter) != waiters.end();
      if (waiter != 0 && !waits) waiters.push_back(waiter);
      return entry.number;
    }
    slot = found->second = NewSlot();
  } else {
    slot = NewSlot();
  }
  last_number_ = std::max(last_number_, number);
  Entry& entry = entries_[slot];
  entry.number = number;
  entry.task = &TaskNamed(job.task);
  entry.payload.assign(job.payload);
  entry.unique.assign(job.unique);
  entry.ends = 0;
  entry.deliveries = 0;
  entry.max_attempts = job.max_attempts;
  entry.priority = job.priority;
  entry.enqueued_at_ms = time.epoch_ms;
  if (waiter != 0) entry.waiters.push_back(waiter);
  PutBack(slot, job.delay, time.now, false);
  return number;
}

MemoryStore::Slot MemoryStore::NewSlot() {
  if (free_.empty()) {
    WORKMAND_CHECK(entries_.size() < kNone, "the memory queue has no slot left");
    entries_.emplace_back();
    return static_cast<Slot>(entries_.size() - 1);
  }
  const Slot slot = free_.back();
  free_.pop_back();
  return slot;
}

void MemoryStore::Free(Slot slot) {
  Entry& entry = entries_[slot];
  if (!entry.unique.empty()) unique_.erase(UniqueKey(entry.task->name, entry.unique));
  if (entry.payload.capacity() > kKeptCapacity) entry.payload = std::string();
  entry.waiters.clear();
  entry.state = State::kFree;
  free_.push_back(slot);
}

void MemoryStore::PutBack(Slot slot, Duration delay, TimePoint now, bool in_front) {
  if (delay <= Duration{0}) {
    MakeReady(slot, in_front);
    return;
  }
  Entry& entry = entries_[slot];
  entry.state = State::kDelayed;
  ++entry.task->waiting;
  const TimePoint due = After(now, delay);
  const bool earliest = delayed_.empty() || due < delayed_.top().due;
  delayed_.push({due, entry.number, slot});
  if (!earliest) return;
  // Whoever waits must now wait for less long.
  for (const auto& [id, session] : sessions_) Ring(*session);
}

void MemoryStore::MakeReady(Slot slot, bool in_front) {
  Entry& entry = entries_[slot];
  entry.state = State::kReady;
  ++entry.task->waiting;
  ++ready_[Rank(entry.priority)];
  std::deque<Slot>& ready = entry.task->ready[Rank(entry.priority)];
  if (in_front) {
    ready.push_front(slot);
  } else {
    ready.push_back(slot);
  }
  for (const auto& [id, session] : sessions_) {
    if (!session->waiting) continue;
    const auto& tasks = session->tasks;
    const bool wanted =
        session->every_task || std::find(tasks.begin(), tasks.end(), entry.task) != tasks.end();
    if (wanted) Ring(*session);
  }
}

void MemoryStore::Ring(Session& session) {
  if (!std::exchange(session.waiting, false)) return;
  session.bell.Wake();
}

void MemoryStore::FallDue(TimePoint now) {
  while (!delayed_.empty() && delayed_.top().due <= now) {
    const Slot slot = delayed_.top().slot;
    delayed_.pop();
    --entries_[slot].task->waiting;
    MakeReady(slot, false);
  }
  while (held_first_ != kNone && entries_[held_first_].lease_until <= now) {
    const Slot slot = held_first_;
    Release(slot);
    MakeReady(slot, true);
  }
}

TimePoint MemoryStore::Take(Session& session, std::size_t n, std::vector<Job>& out, TimePoint now) {
  const std::lock_guard lock(mutex_);
  session.waiting = false;
  FallDue(now);
  const std::size_t before = out.size();
  for (std::size_t rank = ready_.size(); rank-- > 0;) {
    const std::size_t left = n - (out.size() - before);
    if (left > 0 && ready_[rank] > 0) TakeAtPriority(session, rank, left, out, now);
  }
  if (out.size() > before) return kNever;
  session.waiting = true;
  TimePoint due = delayed_.empty() ? kNever : delayed_.top().due;
  if (held_first_ != kNone) due = std::min(due, entries_[held_first_].lease_until);
  return due;
}

void MemoryStore::TakeAtPriority(Session& session, std::size_t priority, std::size_t n,
                                 std::vector<Job>& out, TimePoint now) {
  std::vector<TaskQueue*> with_jobs;
  const auto add = [&](TaskQueue* task) {
    if (!task->ready[priority].empty()) with_jobs.push_back(task);
  };
  if (session.every_task) {
    for (const auto& [name, task] : tasks_) add(task.get());
  } else {
    for (TaskQueue* task : session.tasks) add(task);
  }
  if (with_jobs.empty()) return;
  std::size_t at = session.turn++ % with_jobs.size();
  while (n > 0 && !with_jobs.empty()) {
    at %= with_jobs.size();
    std::deque<Slot>& ready = with_jobs[at]->ready[priority];
    const Slot slot = ready.front();
    ready.pop_front();
    --ready_[priority];
    --with_jobs[at]->waiting;
    out.push_back(HandOut(slot, session, now));
    --n;
    if (ready.empty()) {
      with_jobs.erase(with_jobs.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      ++at;
    }
  }
}

Job MemoryStore::HandOut(Slot slot, const Session& session, TimePoint now) {
  Entry& entry = entries_[slot];
  entry.state = State::kHeld;
  entry.holder = session.id;
  entry.lease_until = After(now, session.lease);
  ++entry.generation;
  ++entry.deliveries;
  Hold(slot);
  Job job;
  job.token = TokenOf(slot, entry.generation);
  job.id = std::to_string(entry.number);
  job.task = entry.task->name;
  job.payload = entry.payload;
  job.unique = entry.unique;
  job.attempt = entry.ends + 1;
  job.deliveries = entry.deliveries;
  job.max_attempts = entry.max_attempts;
  job.priority = entry.priority;
  // With a unique key a caller may come to wait while the job runs.
  job.wants_result = !entry.waiters.empty() || !entry.unique.empty();
  job.wants_progress = job.wants_result;
  job.drops_result = !job.wants_result;
  job.enqueued_at_ms = entry.enqueued_at_ms;
  return job;
}

}  // namespace workmand
