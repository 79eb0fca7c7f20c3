// Membership: joining, the thread that answers the group, and leaving.
#include "daemon/queue/drivers/kafka_group.h"

#include <algorithm>
#include <array>
#include <unistd.h>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/queue.h"

namespace workmand::kafka {
namespace {

/// The library is asked for events in turns of this, so that a time-out of ours is seen.
constexpr Duration kTurn{1'000};

void Ring(int bell) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t count = write(bell, &one, sizeof one);
}

}  // namespace

void Group::Open(Membership membership) {
  membership_ = std::move(membership);
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_rebalance_cb(conf, OnRebalance);
  rd_kafka_conf_set_error_cb(conf, OnError);
  WatchJoining(conf, this);
  const auto text = [](Duration time) { return std::to_string(time.count()); };
  const Duration session = membership_.session_timeout;
  const std::vector<std::pair<std::string, std::string>> properties = {
      {"bootstrap.servers", membership_.brokers},
      {"group.id", membership_.group},
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"session.timeout.ms", text(session)},
      {"heartbeat.interval.ms", text(std::min(session / 4, Duration{1'000}))},
      // A partition that moves may keep its group waiting for so long, and no longer.
      {"max.poll.interval.ms", text(std::max(4 * membership_.leave_patience, 2 * session))},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "earliest"},
      {"allow.auto.create.topics", "true"},
      {"fetch.wait.max.ms", "250"},
      {"queued.min.messages", "1000"},
      {"queued.max.messages.kbytes", "16384"},
      {"socket.timeout.ms", text(kPatience)},
      {"reconnect.backoff.max.ms", "1000"},
  };
  handle_ = MakeHandle(RD_KAFKA_CONSUMER, conf, properties);
  (void)rd_kafka_poll_set_consumer(handle_.get());
  events_.reset(rd_kafka_queue_get_consumer(handle_.get()));
  jobs_.reset(rd_kafka_queue_new(handle_.get()));
  answers_.reset(rd_kafka_queue_new(handle_.get()));
  const std::uint64_t one = 1;
  rd_kafka_queue_io_event_enable(jobs_.get(), membership_.bell, &one, sizeof one);
  const ListPtr topics(rd_kafka_topic_partition_list_new(1));
  (void)rd_kafka_topic_partition_list_add(topics.get(), membership_.topic.c_str(),
                                          RD_KAFKA_PARTITION_UA);
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(handle_.get(), topics.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Close(false);
    throw ConnectionLost("kafka: topic " + membership_.topic + ": " + rd_kafka_err2str(error));
  }
  thread_ = std::thread([this] { Serve(); });
}

/// The library tells nobody when it joins the group anew: only that a request went out, and that an
/// answer came. In between a commit waits behind the request, and is then of an old generation, for
/// which the library gives up all partitions (2.0.2).
void Group::WatchJoining(rd_kafka_conf_t* conf, Group* group) {
  constexpr const char* kName = "workman";
  // Kafka's numbers of these requests.
  constexpr std::int16_t kJoinGroup = 11;
  constexpr std::int16_t kSyncGroup = 14;
  static constexpr auto kOnSent = [](rd_kafka_t*, int, const char*, std::int32_t, std::int16_t key,
                                     std::int16_t, std::int32_t, std::size_t, void* self) {
    if (key == kJoinGroup) static_cast<Group*>(self)->joining_ = true;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  static constexpr auto kOnReceived = [](rd_kafka_t*, int, const char*, std::int32_t,
                                         std::int16_t key, std::int16_t, std::int32_t, std::size_t,
                                         std::int64_t, rd_kafka_resp_err_t, void* self) {
    if (key == kSyncGroup) static_cast<Group*>(self)->joining_ = false;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  constexpr auto kOnNew = [](rd_kafka_t* handle, const rd_kafka_conf_t*, void* self, char*,
                             std::size_t) {
    (void)rd_kafka_interceptor_add_on_request_sent(handle, kName, kOnSent, self);
    return rd_kafka_interceptor_add_on_response_received(handle, kName, kOnReceived, self);
  };
  (void)rd_kafka_conf_interceptor_add_on_new(conf, kName, kOnNew, group);
}

void Group::Close(bool politely) noexcept {
  if (handle_ == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    closing_ = true;
  }
  rd_kafka_queue_yield(events_.get());
  if (thread_.joinable()) thread_.join();
  if (politely) {
    // Instead of the call that does all this at once: that one has no time-out.
    rd_kafka_error_t* const error = rd_kafka_consumer_close_queue(handle_.get(), events_.get());
    const TimePoint deadline = After(Clock::now(), kPatience / 2);
    while (error == nullptr && rd_kafka_consumer_closed(handle_.get()) == 0 &&
           Clock::now() < deadline) {
      (void)rd_kafka_queue_poll_callback(events_.get(), 50);
    }
    if (error != nullptr) rd_kafka_error_destroy(error);
  }
  rd_kafka_queue_io_event_enable(jobs_.get(), -1, nullptr, 0);
  answers_.reset();
  jobs_.reset();
  events_.reset();
  const std::lock_guard lock(mutex_);
  // librdkafka 2.0.2 ends the process when a member is destroyed between the answer to its first
  // JoinGroup and its first assignment (an assertion on the sticky assignor's state). Such a handle
  // is left to the end of the process; Disconnect sees to it that there are few.
  if (!joined_) (void)handle_.release();
  handle_.reset();
  joined_ = false;
  partitions_.clear();
  leaving_.reset();
  leave_at_ = kNever;
  shared_out_ = stop_ = closing_ = given_up_ = false;
  joining_ = false;
  trouble_.clear();
}

void Group::Serve() {
  for (;;) {
    Duration wait = kTurn;
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      wait = std::min(wait, Until(Clock::now(), leave_at_));
    }
    const MessagePtr message(
        rd_kafka_consumer_poll(handle_.get(), static_cast<int>(std::max(wait.count(), {1}))));
    // Records come on a queue of their own; here it can only be an error.
    if (message != nullptr && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Complain(rd_kafka_message_errstr(message.get()));
    }
    FinishRevoke(false);
  }
}

void Group::Complain(std::string why) {
  {
    const std::lock_guard lock(mutex_);
    if (trouble_.empty()) trouble_ = std::move(why);
  }
  Ring(membership_.bell);
}

void Group::GiveUp(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
  }
  Complain(why);
}

void Group::OnError(rd_kafka_t* /*handle*/, int error, const char* why, void* self) {
  auto& group = *static_cast<Group*>(self);
  switch (error) {
    // One of several, and the library tries again by itself.
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT: return;
    default: group.Complain(why);
  }
}

std::string Group::Trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void Group::ClearTrouble() {
  const std::lock_guard lock(mutex_);
  trouble_.clear();
}

bool Group::joined() const {
  const std::lock_guard lock(mutex_);
  return joined_;
}

bool Group::broken() const {
  {
    const std::lock_guard lock(mutex_);
    if (given_up_) return true;
  }
  return handle_ != nullptr &&
         rd_kafka_fatal_error(handle_.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

void Group::OnRebalance(rd_kafka_t* handle, rd_kafka_resp_err_t error,
                        rd_kafka_topic_partition_list_t* list, void* self) {
  auto& group = *static_cast<Group*>(self);
  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    group.Assign(list);
    const std::lock_guard lock(group.mutex_);
    group.joined_ = true;
    return;
  }
  // At the end, and when the group has gone on without us, there is nothing to wait for.
  const bool at_once = group.Revoke(list) || rd_kafka_assignment_lost(handle) != 0;
  group.FinishRevoke(at_once);
}

void Group::Assign(rd_kafka_topic_partition_list_t* list) {
  for (int i = 0; i < list->cnt; ++i) {
    const QueuePtr records(rd_kafka_queue_get_partition(handle_.get(), list->elems[i].topic,
                                                        list->elems[i].partition));
    if (records != nullptr) rd_kafka_queue_forward(records.get(), jobs_.get());
  }
  if (!Positions(list)) {
    // Begun at a guess, jobs would run again that have ended long ago.
    GiveUp("the cluster does not say how far the group has come");
    return;
  }
  rd_kafka_error_t* const error = rd_kafka_incremental_assign(handle_.get(), list);
  if (error != nullptr) {
    GiveUp(rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return;
  }
  if (list->cnt > 0) {
    log::Info("partitions received", {{"topic", membership_.topic}, {"partitions", list->cnt}});
  }
  const std::lock_guard lock(mutex_);
  shared_out_ = true;
}

/// Where each partition goes on: asks the group, and sees whether that is still in the log.
bool Group::Positions(rd_kafka_topic_partition_list_t* list) {
  const auto patience = static_cast<int>(kPatience.count());
  bool known = rd_kafka_committed(handle_.get(), list, patience) == RD_KAFKA_RESP_ERR_NO_ERROR;
  for (int i = 0; i < list->cnt; ++i) {
    rd_kafka_topic_partition_t& entry = list->elems[i];
    std::int64_t low = 0;
    std::int64_t high = 0;
    known = known && entry.err == RD_KAFKA_RESP_ERR_NO_ERROR &&
            rd_kafka_query_watermark_offsets(handle_.get(), entry.topic, entry.partition, &low,
                                             &high, patience) == RD_KAFKA_RESP_ERR_NO_ERROR;
    std::string_view text;
    if (entry.metadata != nullptr) {
      text = {static_cast<const char*>(entry.metadata), entry.metadata_size};
    }
    // A topic that was deleted and made again begins at 0: what was committed is of another life.
    if (entry.offset < 0 || entry.offset > high) {
      entry.offset = low;
      text = {};
    }
    const std::lock_guard lock(mutex_);
    Partition& partition = partitions_[entry.partition];
    partition = {};
    partition.tenure = ++last_tenure_;
    partition.window.Restore(entry.offset, text);
  }
  return known;
}

/// True: this is the end.
bool Group::Revoke(const rd_kafka_topic_partition_list_t* list) {
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < list->cnt; ++i) {
    const auto found = partitions_.find(list->elems[i].partition);
    if (found != partitions_.end()) found->second.leaving = true;
  }
  leaving_.reset(rd_kafka_topic_partition_list_copy(list));
  leave_at_ = After(Clock::now(), membership_.leave_patience);
  shared_out_ = false;
  return closing_;
}

bool Group::HoldsAny(const rd_kafka_topic_partition_list_t* list) const {
  for (int i = 0; i < list->cnt; ++i) {
    const auto first = held_.lower_bound({list->elems[i].partition, 0});
    if (first != held_.end() && first->partition == list->elems[i].partition) return true;
  }
  return false;
}

/// Gives up what is to move, if nothing of it is held, or it has waited long enough, or must `now`.
void Group::FinishRevoke(bool now) {
  ListPtr list;
  {
    const std::lock_guard lock(mutex_);
    if (leaving_ == nullptr) return;
    if (!now && Clock::now() < leave_at_ && HoldsAny(leaving_.get())) {
      if (!std::exchange(leave_told_, true)) {
        log::Info("partitions wait for running jobs", {{"topic", membership_.topic}});
      }
      return;
    }
    leave_told_ = false;
    list = std::move(leaving_);
    leave_at_ = kNever;
    for (int i = 0; i < list->cnt; ++i) partitions_.erase(list->elems[i].partition);
    // What is given up in good order is shared out anew, in a moment.
    joining_ = !now;
  }
  rd_kafka_error_t* const error = rd_kafka_incremental_unassign(handle_.get(), list.get());
  if (list->cnt > 0) {
    log::Info("partitions given up", {{"topic", membership_.topic}, {"partitions", list->cnt}});
  }
  if (error == nullptr) return;
  log::Debug("kafka keeps a partition", {{"error", rd_kafka_error_string(error)}});
  rd_kafka_error_destroy(error);
}

void Group::AwaitPartitions(TimePoint deadline) const {
  const auto have = [this] {
    const std::lock_guard lock(mutex_);
    return handle_ == nullptr || !partitions_.empty() || !trouble_.empty();
  };
  // Once in the life of a session; what it waits for takes seconds.
  while (!have() && Clock::now() < deadline) std::this_thread::sleep_for(Duration{10});
}

}  // namespace workmand::kafka
