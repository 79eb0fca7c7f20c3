// What the queue thread does with its share of the group: reading, holding, committing.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "daemon/queue/drivers/kafka_group.h"
#include "daemon/queue/queue.h"

namespace workmand::kafka {
namespace {

/// While a group shares itself out, a commit is refused for a moment.
constexpr Duration kCommitPause{50};

struct DestroyEvent {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};

constexpr auto kForAMoment = std::to_array<rd_kafka_resp_err_t>(
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
     RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
     RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
     RD_KAFKA_RESP_ERR__WAIT_COORD});

bool IsForAMoment(rd_kafka_resp_err_t error) {
  return std::find(kForAMoment.begin(), kForAMoment.end(), error) != kForAMoment.end();
}

}  // namespace

void Group::Read(std::vector<Fetched>& out, std::size_t n) {
  constexpr std::size_t kMost = 64;
  std::array<rd_kafka_message_t*, kMost> came{};
  while (n > 0) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(jobs_.get(), 0, came.data(), std::min(n, kMost));
    if (count <= 0) break;
    for (ssize_t i = 0; i < count; ++i) {
      const MessagePtr message(came[static_cast<std::size_t>(i)]);
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
          Complain(rd_kafka_message_errstr(message.get()));
        }
        continue;
      }
      const std::lock_guard lock(mutex_);
      const auto found = partitions_.find(message->partition);
      if (found == partitions_.end() || found->second.leaving) continue;
      const Place place{message->partition, message->offset};
      if (!found->second.window.See(place.offset) || held_.contains(place)) continue;
      out.push_back({place, found->second.tenure, ReadRecord(*message)});
      --n;
    }
  }
  PauseFull();
}

/// So many ends out of order that the group's text cannot name them all: the partition waits for
/// those that are late.
void Group::PauseFull() {
  std::vector<std::pair<std::int32_t, bool>> changes;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [number, partition] : partitions_) {
      const bool full = partition.window.IsFull();
      if (full == partition.paused) continue;
      partition.paused = full;
      changes.emplace_back(number, full);
    }
  }
  for (const auto& [number, full] : changes) SetPaused(number, full);
}

void Group::SetPaused(std::int32_t number, bool paused) {
  const ListPtr list(rd_kafka_topic_partition_list_new(1));
  (void)rd_kafka_topic_partition_list_add(list.get(), membership_.topic.c_str(), number);
  (void)(paused ? rd_kafka_pause_partitions(handle_.get(), list.get())
                : rd_kafka_resume_partitions(handle_.get(), list.get()));
}

/// With the mutex.
bool Group::IsCurrent(const Fetched& fetched) const {
  const auto found = partitions_.find(fetched.place.partition);
  return found != partitions_.end() && found->second.tenure == fetched.tenure &&
         !found->second.leaving;
}

bool Group::Keeps(const Fetched& fetched) const {
  const std::lock_guard lock(mutex_);
  return IsCurrent(fetched);
}

bool Group::Hold(const Fetched& fetched) {
  const std::lock_guard lock(mutex_);
  if (!IsCurrent(fetched)) return false;
  held_.insert(fetched.place);
  return true;
}

Group::Standing Group::Look(const Place& place, TimePoint deadline) const {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = partitions_.find(place.partition);
      if (found != partitions_.end()) {
        return found->second.window.HasEnded(place.offset) ? Standing::kEnded : Standing::kOurs;
      }
      if (shared_out_ || !trouble_.empty()) return Standing::kElsewhere;
    }
    if (Clock::now() >= deadline) return Standing::kElsewhere;
    std::this_thread::sleep_for(Duration{10});
  }
}

bool Group::Has(std::int32_t partition) const {
  const std::lock_guard lock(mutex_);
  return partitions_.contains(partition);
}

void Group::End(const Place& place) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(place.partition);
  if (found != partitions_.end()) found->second.window.End(place.offset);
}

void Group::Release(const Place& place) {
  {
    const std::lock_guard lock(mutex_);
    held_.erase(place);
  }
  FinishRevoke(false);
}

ListPtr Group::PositionsOf(const std::set<std::int32_t>& partitions) const {
  ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  const std::lock_guard lock(mutex_);
  for (const std::int32_t number : partitions) {
    const auto found = partitions_.find(number);
    if (found == partitions_.end()) continue;
    const Window::Position now = found->second.window.Now();
    rd_kafka_topic_partition_t* const entry =
        rd_kafka_topic_partition_list_add(list.get(), membership_.topic.c_str(), number);
    entry->offset = now.offset;
    // The list frees it.
    entry->metadata = strdup(now.text.c_str());
    entry->metadata_size = now.text.size();
  }
  return list;
}

/// False: the group is not to be spoken to at the moment. `deadline` moves while it is joined.
bool Group::CommitOnce(const std::set<std::int32_t>& partitions, TimePoint joined_by,
                       TimePoint& deadline, std::set<std::int32_t>& refused) {
  const ListPtr list = PositionsOf(partitions);
  refused = partitions;
  for (int i = 0; i < list->cnt; ++i) refused.erase(list->elems[i].partition);
  if (list->cnt == 0) return true;
  void* const number =
      reinterpret_cast<void*>(++last_commit_);  // NOLINT(performance-no-int-to-ptr)
  rd_kafka_resp_err_t error =
      rd_kafka_commit_queue(handle_.get(), list.get(), answers_.get(), nullptr, number);
  std::unique_ptr<rd_kafka_event_t, DestroyEvent> event;
  // An answer may be late, and be to a question that nobody waits for any more.
  while (error == RD_KAFKA_RESP_ERR_NO_ERROR &&
         (event == nullptr || rd_kafka_event_opaque(event.get()) != number)) {
    const auto left = static_cast<int>(Until(Clock::now(), deadline).count());
    event.reset(rd_kafka_queue_poll(answers_.get(), std::max(left, 1)));
    if (event != nullptr || Clock::now() < deadline) continue;
    // It went out behind our request to join, in the moment between our look and the request.
    if (joining_ && Clock::now() < joined_by) {
      deadline = std::min(joined_by, After(Clock::now(), kPatience));
    } else {
      throw ConnectionLost("kafka: a commit was not answered within 5 s");
    }
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = rd_kafka_event_error(event.get());
  if (IsForAMoment(error)) return false;
  const auto* const answered =
      event == nullptr ? nullptr : rd_kafka_event_topic_partition_list(event.get());
  for (int i = 0; answered != nullptr && i < answered->cnt; ++i) {
    if (IsForAMoment(answered->elems[i].err)) return false;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = answered->elems[i].err;
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw ConnectionLost("kafka: commit: " + std::string(rd_kafka_err2str(error)));
  }
  return true;
}

void Group::AwaitJoined(TimePoint deadline) const {
  while (joining_ && Clock::now() < deadline) std::this_thread::sleep_for(Duration{10});
}

std::set<std::int32_t> Group::Commit(const std::set<std::int32_t>& partitions) {
  // Others may keep the group waiting; what is said to it meanwhile is not answered.
  const TimePoint joined_by = After(Clock::now(), membership_.session_timeout + kPatience);
  AwaitJoined(joined_by);
  TimePoint deadline = After(Clock::now(), kPatience);
  std::set<std::int32_t> refused;
  while (!CommitOnce(partitions, joined_by, deadline, refused)) {
    if (Clock::now() >= deadline) {
      throw ConnectionLost("kafka: the group took no commit for 5 s");
    }
    std::this_thread::sleep_for(kCommitPause);
  }
  return refused;
}

}  // namespace workmand::kafka
