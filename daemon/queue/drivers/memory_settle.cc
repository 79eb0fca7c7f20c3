// The other half of MemoryStore: how a hold ends, and what is told to those who wait.
#include <algorithm>

#include "daemon/queue/drivers/memory_store.h"

namespace workmand {

void MemoryStore::Hold(Slot slot) {
  // Sorted by the end of the lease. Leases are nearly always of one length: the place is the end.
  Entry& entry = entries_[slot];
  Slot before = held_last_;
  while (before != kNone && entries_[before].lease_until > entry.lease_until) {
    before = entries_[before].previous;
  }
  entry.previous = before;
  entry.next = before == kNone ? held_first_ : entries_[before].next;
  (entry.previous == kNone ? held_first_ : entries_[entry.previous].next) = slot;
  (entry.next == kNone ? held_last_ : entries_[entry.next].previous) = slot;
}

void MemoryStore::Release(Slot slot) {
  Entry& entry = entries_[slot];
  (entry.previous == kNone ? held_first_ : entries_[entry.previous].next) = entry.next;
  (entry.next == kNone ? held_last_ : entries_[entry.next].previous) = entry.previous;
  entry.previous = kNone;
  entry.next = kNone;
  entry.holder = 0;
  ++entry.generation;
}

std::optional<MemoryStore::Slot> MemoryStore::HeldBy(const Session& session, Token token) const {
  const auto slot = static_cast<Slot>(token.value & 0xFFFF'FFFFU);
  const auto generation = static_cast<std::uint32_t>(token.value >> 32U);
  if (slot >= entries_.size()) return std::nullopt;
  const Entry& entry = entries_[slot];
  const bool ours =
      entry.state == State::kHeld && entry.generation == generation && entry.holder == session.id;
  return ours ? std::optional(slot) : std::nullopt;
}

void MemoryStore::Apply(Session& session, std::span<const Update> updates,
                        std::span<Applied> answers, const MemoryTime& time) {
  const std::lock_guard lock(mutex_);
  FallDue(time.now);
  for (std::size_t i = 0; i < updates.size(); ++i) {
    answers[i] = ApplyOne(session, updates[i], time);
  }
}

Applied MemoryStore::ApplyOne(const Session& session, const Update& update,
                              const MemoryTime& time) {
  const std::optional<Slot> slot = HeldBy(session, update.token);
  if (!slot) return Applied::kLost;
  try {
    for (const Enqueue& job : update.enqueue) Check(job);
  } catch (const Rejected&) {
    return Applied::kRefused;
  }
  // Settled first: a follow-up with the unique key of this very job is new work.
  Settle(*slot, update, time);
  for (const Enqueue& job : update.enqueue) Add(0, job, time);
  return Applied::kOk;
}

void MemoryStore::Settle(Slot slot, const Update& update, const MemoryTime& time) {
  Entry& entry = entries_[slot];
  switch (update.kind) {
    case Update::Kind::kDone:
      Answer(entry, Reply::State::kDone, update.bytes);
      Release(slot);
      Free(slot);
      break;
    case Update::Kind::kFail:
      ++entry.ends;
      Release(slot);
      if (update.retry) {
        PutBack(slot, update.delay, time.now, false);
      } else {
        Answer(entry, Reply::State::kFailed, update.bytes);
        Bury(slot, update, time.epoch_ms);
      }
      break;
    case Update::Kind::kAbort:
      if (update.never_ran) --entry.deliveries;
      Release(slot);
      PutBack(slot, update.delay, time.now, true);
      break;
    case Update::Kind::kProgress:
    case Update::Kind::kData: Note(entry, update); break;
    case Update::Kind::kExtend: {
      const std::uint64_t holder = entry.holder;
      const std::uint32_t generation = entry.generation;
      Release(slot);
      entry.holder = holder;
      entry.generation = generation;
      entry.lease_until = After(time.now, update.delay);
      Hold(slot);
      break;
    }
  }
}

void MemoryStore::Answer(const Entry& entry, Reply::State state, const std::string& bytes) {
  for (const std::uint64_t waiter : entry.waiters) {
    const auto found = sessions_.find(waiter);
    if (found == sessions_.end()) continue;
    found->second->replies.push_back({std::to_string(entry.number), state, bytes});
    Ring(*found->second);
  }
}

void MemoryStore::Note(const Entry& entry, const Update& update) {
  for (const std::uint64_t waiter : entry.waiters) {
    const auto found = sessions_.find(waiter);
    if (found == sessions_.end()) continue;
    found->second->notes.push_back({std::to_string(entry.number), update.kind, update.bytes,
                                    update.numerator, update.denominator});
    Ring(*found->second);
  }
}

bool MemoryStore::TakeReplies(Session& session, std::vector<Reply>& out) {
  const std::lock_guard lock(mutex_);
  const bool some = !session.replies.empty() || !session.notes.empty();
  std::move(session.replies.begin(), session.replies.end(), std::back_inserter(out));
  session.replies.clear();
  session.waiting = !some;
  return some;
}

void MemoryStore::TakeNotes(Session& session, std::vector<ProgressNote>& out) {
  const std::lock_guard lock(mutex_);
  std::move(session.notes.begin(), session.notes.end(), std::back_inserter(out));
  session.notes.clear();
}

}  // namespace workmand
