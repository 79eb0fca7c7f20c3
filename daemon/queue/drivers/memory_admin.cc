// The parts of MemoryStore that are off the path of jobs: counts, dead letters, housekeeping.
#include <algorithm>

#include "daemon/queue/drivers/memory_store.h"

namespace workmand {

void MemoryStore::Tick(const MemoryTime& time, Duration keep_dead) {
  const std::lock_guard lock(mutex_);
  FallDue(time.now);
  if (keep_dead.count() == 0) return;  // kept until removed
  const std::int64_t oldest = time.epoch_ms - std::min(keep_dead.count(), time.epoch_ms);
  while (!dead_.empty() && dead_.front().letter.failed_at_ms < oldest) dead_.pop_front();
}

std::uint64_t MemoryStore::Size(std::string_view task) {
  const std::lock_guard lock(mutex_);
  std::uint64_t size = 0;
  if (task.empty()) {
    for (const auto& [name, queue] : tasks_) size += queue->waiting;
  } else if (const auto found = tasks_.find(task); found != tasks_.end()) {
    size = found->second->waiting;
  }
  return size;
}

std::optional<std::int64_t> MemoryStore::OldestMs(std::int64_t epoch_ms) {
  const std::lock_guard lock(mutex_);
  std::optional<std::int64_t> oldest;
  for (const auto& [name, queue] : tasks_) {
    for (const std::deque<Slot>& ready : queue->ready) {
      if (ready.empty()) continue;
      const std::int64_t age = epoch_ms - entries_[ready.front()].enqueued_at_ms;
      oldest = std::max(oldest.value_or(0), age);
    }
  }
  return oldest;
}

void MemoryStore::Bury(Slot slot, const Update& update, std::int64_t epoch_ms) {
  Entry& entry = entries_[slot];
  Dead dead;
  dead.letter.id = std::to_string(entry.number);
  dead.letter.task = entry.task->name;
  dead.letter.payload = std::move(entry.payload);
  dead.letter.error = update.bytes;
  dead.letter.attempts = entry.ends;
  dead.letter.deliveries = entry.deliveries;
  dead.letter.failed_at_ms = epoch_ms;
  dead.unique = entry.unique;
  dead.max_attempts = entry.max_attempts;
  dead.priority = entry.priority;
  dead.number = entry.number;
  dead.enqueued_at_ms = entry.enqueued_at_ms;
  Free(slot);
  dead_.push_back(std::move(dead));
}

std::vector<DeadLetter> MemoryStore::DeadLetters(std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<DeadLetter> letters;
  for (auto dead = dead_.rbegin(); dead != dead_.rend() && letters.size() < limit; ++dead) {
    letters.push_back(dead->letter);
  }
  return letters;
}

MemoryStore::DeadList::iterator MemoryStore::FindDead(std::string_view id) {
  return std::find_if(dead_.begin(), dead_.end(),
                      [id](const Dead& dead) { return dead.letter.id == id; });
}

bool MemoryStore::RetryDead(std::string_view id, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto dead = FindDead(id);
  if (dead == dead_.end()) return false;
  Enqueue job;
  job.task = dead->letter.task;
  job.payload = std::move(dead->letter.payload);
  job.unique = dead->unique;
  job.priority = dead->priority;
  job.max_attempts = dead->max_attempts;
  const MemoryTime time{now, dead->enqueued_at_ms};
  Insert(dead->number, 0, job, time);
  dead_.erase(dead);
  return true;
}

bool MemoryStore::DropDead(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto dead = FindDead(id);
  if (dead == dead_.end()) return false;
  dead_.erase(dead);
  return true;
}

}  // namespace workmand
