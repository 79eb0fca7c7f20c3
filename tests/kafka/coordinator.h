// The consumer groups of the broker of the tests, as Kafka keeps them (GroupCoordinator.scala, and
// KIP-394 for names of members). The mock cluster of librdkafka 2.0.2 keeps them otherwise: a group
// that is shared out anew takes nearly a session's time whoever has come, takes no commit
// meanwhile, and turns away who asks for its share after the leader has brought it.
//
// Threads: each connection's thread calls Answer, and waits in it while the group does.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/kafka/wire.h"

namespace workmand::kafka_broker {

/// The broker went down while somebody waited.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("the broker is down") {}
};

class Coordinator {
 public:
  /// The body of the answer; nothing: the request is for whoever keeps the records. Throws
  /// Interrupted, and runtime_error for what it cannot read.
  std::optional<std::string> Answer(const Header& header, Reader request);
  /// The broker goes down: ends all waiting in Answer.
  void Interrupt();
  /// The broker is back, and has read its groups again: all members were heard just now.
  void Resume();

 private:
  using Clock = std::chrono::steady_clock;
  enum class State : std::uint8_t { kEmpty, kJoining, kSyncing, kStable };

  struct Member {
    std::string id;
    std::string metadata;
    std::string assignment;
    std::chrono::milliseconds session{0};
    std::chrono::milliseconds rebalance{0};
    Clock::time_point heard;
    bool joins = false;  ///< waits in Join
    bool syncs = false;  ///< waits in Sync
    /// Nobody expects it to be heard.
    [[nodiscard]] bool waits() const { return joins || syncs; }
  };
  struct Group {
    State state = State::kEmpty;
    std::int32_t generation = 0;
    std::string protocol;
    std::string leader;
    std::list<Member> members;
    std::set<std::string, std::less<>> promised;  ///< names for members that are to come
    bool first_join = false;
    Clock::time_point join_ends;
  };
  using Lock = std::unique_lock<std::mutex>;

  std::string Join(const Header& header, Reader& request, Lock& lock);
  std::string Sync(const Header& header, Reader& request, Lock& lock);
  std::string Heartbeat(const Header& header, Reader& request);
  std::string Leave(const Header& header, Reader& request);
  std::optional<std::string> Commit(const Header& header, Reader& request);

  Group& Find(std::string_view name);
  static Member* FindMember(Group& group, std::string_view id);
  static std::int16_t Check(Group& group, std::string_view member, std::int32_t generation);
  static std::string Joined(const Header& header, Group& group, const Member& member);
  void Rebalance(Group& group);
  void Remove(Group& group, std::string_view member);
  void Turn(Group& group);
  static Clock::time_point NextTurn(const Group& group);
  void Wait(Group& group, Lock& lock);

  std::mutex mutex_;  ///< guards all
  std::condition_variable changed_;
  std::map<std::string, Group, std::less<>> groups_;
  std::uint64_t interrupts_ = 0;
  std::uint64_t last_member_ = 0;
};

}  // namespace workmand::kafka_broker
