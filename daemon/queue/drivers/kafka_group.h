// One topic, read as a member of a consumer group. The group shares the partitions among its
// members and moves them when one comes or goes; a thread of this class's own answers that, so that
// a queue thread that is busy elsewhere holds no other member up. All else is called by one thread.
//
// A partition that is to move goes on being ours until the jobs that are held of it have ended, for
// a while at most: moved at once, they would run twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <librdkafka/rdkafka.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/queue/drivers/kafka_producer.h"
#include "daemon/queue/drivers/kafka_record.h"
#include "daemon/queue/drivers/kafka_window.h"

namespace workmand::kafka {

struct Membership {
  std::string brokers;
  std::string topic;
  std::string group;
  Duration session_timeout{10'000};
  Duration leave_patience{60'000};  ///< so long may held jobs keep a partition that is to move
  int bell = -1;                    ///< an eventfd, written when there is something to look at
};

/// Where a record lies.
struct Place {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  friend bool operator<(const Place& a, const Place& b) {
    return std::tie(a.partition, a.offset) < std::tie(b.partition, b.offset);
  }
};

struct DestroyQueue {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct DestroyList {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, DestroyQueue>;
using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, DestroyList>;

class Group {
 public:
  /// What has come: not yet held. It counts only as long as the partition was not given up since.
  struct Fetched {
    Place place;
    std::uint64_t tenure = 0;
    Record record;
  };
  enum class Standing : std::uint8_t {
    kOurs,
    kEnded,      ///< whoever had the partition in between has said so
    kElsewhere,  ///< another member has the partition
  };

  Group() = default;
  ~Group() { Close(Trouble().empty()); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  /// Joins; partitions come later. Throws ConnectionLost.
  void Open(Membership membership);
  /// Ends the membership; `politely`: tells the group, so that it need not find out.
  void Close(bool politely) noexcept;
  [[nodiscard]] bool open() const { return handle_ != nullptr; }
  /// Waits until the group has given us partitions, or until the deadline.
  void AwaitPartitions(TimePoint deadline) const;

  /// Why no work can be done; empty when it can.
  [[nodiscard]] std::string Trouble() const;
  /// Forgets the trouble: somebody has seen that the cluster answers.
  void ClearTrouble();
  /// Whether the group has ever given us a share, be it an empty one.
  [[nodiscard]] bool joined() const;
  /// Whether this handle will never work again, though the cluster does.
  [[nodiscard]] bool broken() const;

  /// Appends up to `n` records that have come, and never waits.
  void Read(std::vector<Fetched>& out, std::size_t n);
  /// Whether its partition has not been given up since it came.
  [[nodiscard]] bool Keeps(const Fetched& fetched) const;
  /// Makes a record held; false when its partition has been given up since it came.
  [[nodiscard]] bool Hold(const Fetched& fetched);
  /// Whether a hold is still ours. While the group is being shared out it waits for that to end.
  [[nodiscard]] Standing Look(const Place& place, TimePoint deadline) const;
  /// The job of a held record has ended; Commit tells the group.
  void End(const Place& place);
  void Release(const Place& place);
  /// Tells the group how far these partitions have come. Throws ConnectionLost when it does not
  /// answer in time. Returns those that it does not let us speak for.
  std::set<std::int32_t> Commit(const std::set<std::int32_t>& partitions);
  /// Whether the partition is ours.
  [[nodiscard]] bool Has(std::int32_t partition) const;

 private:
  struct Partition {
    Window window;
    std::uint64_t tenure = 0;
    bool leaving = false;
    bool paused = false;
  };

  static void OnRebalance(rd_kafka_t* handle, rd_kafka_resp_err_t error,
                          rd_kafka_topic_partition_list_t* list, void* self);
  static void OnError(rd_kafka_t* handle, int error, const char* why, void* self);
  static void WatchJoining(rd_kafka_conf_t* conf, Group* group);

  void Serve();
  void Assign(rd_kafka_topic_partition_list_t* list);
  bool Revoke(const rd_kafka_topic_partition_list_t* list);
  void FinishRevoke(bool now);
  [[nodiscard]] bool IsCurrent(const Fetched& fetched) const;
  void Complain(std::string why);
  void GiveUp(const std::string& why);
  [[nodiscard]] bool HoldsAny(const rd_kafka_topic_partition_list_t* list) const;
  [[nodiscard]] bool Positions(rd_kafka_topic_partition_list_t* list);
  void PauseFull();
  void SetPaused(std::int32_t number, bool paused);
  [[nodiscard]] ListPtr PositionsOf(const std::set<std::int32_t>& partitions) const;
  void AwaitJoined(TimePoint deadline) const;
  bool CommitOnce(const std::set<std::int32_t>& partitions, TimePoint joined_by,
                  TimePoint& deadline, std::set<std::int32_t>& refused);

  Membership membership_;
  HandlePtr handle_;
  QueuePtr events_;   ///< of the group: served by thread_
  QueuePtr jobs_;     ///< where all partitions' records come together
  QueuePtr answers_;  ///< to commits
  std::uint64_t last_commit_ = 0;
  std::thread thread_;
  /// Between our request to join and the group's share for us. Set by threads of the library, too.
  std::atomic<bool> joining_ = false;

  mutable std::mutex mutex_;  ///< guards what follows
  std::map<std::int32_t, Partition> partitions_;
  std::set<Place> held_;
  ListPtr leaving_;  ///< to be given up when nothing of it is held
  TimePoint leave_at_ = kNever;
  bool leave_told_ = false;
  bool shared_out_ = false;  ///< the group has answered, and no change is under way
  bool joined_ = false;
  bool stop_ = false;
  bool closing_ = false;
  bool given_up_ = false;
  std::uint64_t last_tenure_ = 0;
  std::string trouble_;
};

}  // namespace workmand::kafka
