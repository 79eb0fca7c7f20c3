#include "tests/kafka/coordinator.h"

#include <algorithm>
#include <utility>

namespace workmand::kafka_broker {
namespace {

// Kafka's numbers of requests and errors.
constexpr std::int16_t kOffsetCommit = 8;
constexpr std::int16_t kJoinGroup = 11;
constexpr std::int16_t kHeartbeat = 12;
constexpr std::int16_t kLeaveGroup = 13;
constexpr std::int16_t kSyncGroup = 14;

constexpr std::int16_t kIllegalGeneration = 22;
constexpr std::int16_t kUnknownMember = 25;
constexpr std::int16_t kRebalanceInProgress = 27;
constexpr std::int16_t kMemberIdRequired = 79;

/// group.initial.rebalance.delay.ms, which is 3 s in Kafka unless its owner says otherwise.
constexpr std::chrono::milliseconds kFirstJoin{300};

/// Of a request about a group; -1: another. Beyond it, fields are written in another way, which
/// librdkafka 2.0.2 does not use.
std::int16_t LastVersion(std::int16_t api) {
  switch (api) {
    case kJoinGroup: return 5;
    case kSyncGroup:
    case kHeartbeat: return 3;
    case kLeaveGroup: return 2;
    case kOffsetCommit: return 7;
    default: return -1;
  }
}

void Throttle(Writer& answer, const Header& header, std::int16_t since) {
  if (header.version >= since) answer.Int32(0);
}

}  // namespace

std::optional<std::string> Coordinator::Answer(const Header& header, Reader request) {
  const std::int16_t last_version = LastVersion(header.api);
  if (last_version < 0) return std::nullopt;
  if (header.version > last_version) {
    throw std::runtime_error("request " + std::to_string(header.api) + ": version " +
                             std::to_string(header.version) + " is not known here");
  }
  Lock lock(mutex_);
  switch (header.api) {
    case kJoinGroup: return Join(header, request, lock);
    case kSyncGroup: return Sync(header, request, lock);
    case kHeartbeat: return Heartbeat(header, request);
    case kLeaveGroup: return Leave(header, request);
    default: return Commit(header, request);
  }
}

void Coordinator::Interrupt() {
  const std::lock_guard lock(mutex_);
  ++interrupts_;
  for (auto& [name, group] : groups_) {
    for (Member& member : group.members) member.joins = member.syncs = false;
  }
  changed_.notify_all();
}

void Coordinator::Resume() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, group] : groups_) {
    for (Member& member : group.members) member.heard = Clock::now();
  }
}

Coordinator::Group& Coordinator::Find(std::string_view name) {
  Group& group = groups_[std::string(name)];
  Turn(group);
  return group;
}

Coordinator::Member* Coordinator::FindMember(Group& group, std::string_view id) {
  const auto found = std::find_if(group.members.begin(), group.members.end(),
                                  [&](const Member& member) { return member.id == id; });
  return found == group.members.end() ? nullptr : &*found;
}

std::int16_t Coordinator::Check(Group& group, std::string_view member, std::int32_t generation) {
  Member* const found = FindMember(group, member);
  if (found == nullptr) return kUnknownMember;
  if (generation != group.generation) return kIllegalGeneration;
  found->heard = Clock::now();
  return 0;
}

/// All members are to join again, and all that wait for their share are told so.
void Coordinator::Rebalance(Group& group) {
  if (group.state == State::kJoining) return;
  group.first_join = group.state == State::kEmpty;
  std::chrono::milliseconds patience = kFirstJoin;
  if (!group.first_join) {
    for (const Member& member : group.members) patience = std::max(patience, member.rebalance);
  }
  group.state = State::kJoining;
  group.join_ends = Clock::now() + patience;
  changed_.notify_all();
}

void Coordinator::Remove(Group& group, std::string_view member) {
  group.members.remove_if([&](const Member& one) { return one.id == member; });
  if (group.state != State::kEmpty) Rebalance(group);
  changed_.notify_all();
}

/// What time has brought about.
void Coordinator::Turn(Group& group) {
  const auto now = Clock::now();
  for (auto next = group.members.begin(); next != group.members.end();) {
    const Member& member = *next++;
    if (!member.waits() && member.heard + member.session <= now) {
      Remove(group, std::string(member.id));
    }
  }
  if (group.state != State::kJoining) return;
  const bool all = std::all_of(group.members.begin(), group.members.end(),
                               [](const Member& member) { return member.joins; });
  if (now < group.join_ends && (group.first_join || !all)) return;
  group.members.remove_if([](const Member& member) { return !member.joins; });
  ++group.generation;
  group.state = group.members.empty() ? State::kEmpty : State::kSyncing;
  if (!group.members.empty() && FindMember(group, group.leader) == nullptr) {
    group.leader = group.members.front().id;
  }
  for (Member& member : group.members) {
    member.joins = false;
    member.heard = now;
  }
  changed_.notify_all();
}

Coordinator::Clock::time_point Coordinator::NextTurn(const Group& group) {
  auto next = Clock::now() + std::chrono::seconds(1);
  if (group.state == State::kJoining) next = std::min(next, group.join_ends);
  for (const Member& member : group.members) {
    if (!member.waits()) next = std::min(next, member.heard + member.session);
  }
  return next;
}

void Coordinator::Wait(Group& group, Lock& lock) {
  const std::uint64_t interrupts = interrupts_;
  changed_.wait_until(lock, NextTurn(group));
  if (interrupts_ != interrupts) throw Interrupted();
  Turn(group);
}

std::string Coordinator::Joined(const Header& header, Group& group, const Member& member) {
  Writer answer;
  Throttle(answer, header, 2);
  answer.Int16(0).Int32(group.generation).Text(group.protocol).Text(group.leader).Text(member.id);
  if (member.id != group.leader) {
    answer.Int32(0);
    return answer.bytes();
  }
  answer.Int32(static_cast<std::int32_t>(group.members.size()));
  for (const Member& one : group.members) {
    answer.Text(one.id);
    if (header.version >= 5) answer.NoText();
    answer.Blob(one.metadata);
  }
  return answer.bytes();
}

std::string Coordinator::Join(const Header& header, Reader& request, Lock& lock) {
  Group& group = Find(request.Text());
  const std::chrono::milliseconds session(request.Int32());
  const std::chrono::milliseconds rebalance(header.version >= 1 ? request.Int32()
                                                                : session.count());
  std::string id(request.Text());
  if (header.version >= 5) (void)request.Text();  // the name of an instance
  (void)request.Text();                           // "consumer"
  if (request.Int32() < 1) throw std::runtime_error("a member without a protocol");
  group.protocol = request.Text();
  const std::string_view metadata = request.Blob();

  const auto refuse = [&](std::int16_t error) {
    Writer answer;
    Throttle(answer, header, 2);
    answer.Int16(error).Int32(-1).Text("").Text("").Text(id).Int32(0);
    return answer.bytes();
  };
  if (id.empty()) {
    id = "member-" + std::to_string(++last_member_);
    group.promised.insert(id);
    if (header.version >= 4) return refuse(kMemberIdRequired);
  }
  Member* member = FindMember(group, id);
  if (member == nullptr) {
    if (group.promised.erase(id) == 0) return refuse(kUnknownMember);
    member = &group.members.emplace_back();
    member->id = id;
  } else if ((group.state == State::kSyncing ||
              (group.state == State::kStable && id != group.leader)) &&
             member->metadata == metadata) {
    // Its last answer got lost.
    member->heard = Clock::now();
    return Joined(header, group, *member);
  }
  member->metadata = metadata;
  member->session = session;
  member->rebalance = rebalance;
  member->joins = true;
  Rebalance(group);
  Turn(group);
  for (; member != nullptr && member->joins; member = FindMember(group, id)) Wait(group, lock);
  return member == nullptr ? refuse(kUnknownMember) : Joined(header, group, *member);
}

std::string Coordinator::Sync(const Header& header, Reader& request, Lock& lock) {
  Group& group = Find(request.Text());
  const std::int32_t generation = request.Int32();
  const std::string id(request.Text());
  if (header.version >= 3) (void)request.Text();
  const auto answer = [&](std::int16_t error, std::string_view assignment) {
    Writer writer;
    Throttle(writer, header, 1);
    return writer.Int16(error).Blob(assignment).bytes();
  };
  const std::int16_t error = Check(group, id, generation);
  if (error != 0) return answer(error, {});
  if (group.state == State::kSyncing && id == group.leader) {
    for (Member& member : group.members) member.assignment.clear();
    for (std::int32_t left = request.Int32(); left > 0; --left) {
      Member* const member = FindMember(group, request.Text());
      const std::string_view assignment = request.Blob();
      if (member != nullptr) member->assignment = assignment;
    }
    group.state = State::kStable;
    changed_.notify_all();
  }
  Member* member = FindMember(group, id);
  member->syncs = true;
  while (member != nullptr && group.state == State::kSyncing && group.generation == generation) {
    Wait(group, lock);
    member = FindMember(group, id);
  }
  if (member == nullptr) return answer(kUnknownMember, {});
  member->syncs = false;
  member->heard = Clock::now();
  if (group.state != State::kStable || group.generation != generation) {
    return answer(kRebalanceInProgress, {});
  }
  return answer(0, member->assignment);
}

std::string Coordinator::Heartbeat(const Header& header, Reader& request) {
  Group& group = Find(request.Text());
  const std::int32_t generation = request.Int32();
  std::int16_t error = Check(group, request.Text(), generation);
  if (error == 0 && group.state == State::kJoining) error = kRebalanceInProgress;
  Writer answer;
  Throttle(answer, header, 1);
  return answer.Int16(error).bytes();
}

std::string Coordinator::Leave(const Header& header, Reader& request) {
  Group& group = Find(request.Text());
  const std::string id(request.Text());
  const bool known = FindMember(group, id) != nullptr;
  if (known) Remove(group, id);
  Turn(group);
  Writer answer;
  Throttle(answer, header, 1);
  return answer.Int16(known ? std::int16_t{0} : kUnknownMember).bytes();
}

/// Who is not a member may commit while there are none. What may be kept is for the mock cluster.
std::optional<std::string> Coordinator::Commit(const Header& header, Reader& request) {
  Group& group = Find(request.Text());
  const std::int32_t generation = header.version >= 1 ? request.Int32() : -1;
  const std::string_view member = header.version >= 1 ? request.Text() : std::string_view{};
  std::int16_t error = 0;
  if (generation >= 0 || group.state != State::kEmpty) {
    error = Check(group, member, generation);
    if (error == 0 && group.state == State::kSyncing) error = kRebalanceInProgress;
  }
  if (error == 0) return std::nullopt;
  if (header.version >= 7) (void)request.Text();
  if (header.version >= 2 && header.version <= 4) (void)request.Int64();
  Writer answer;
  Throttle(answer, header, 3);
  const std::int32_t topics = request.Int32();
  answer.Int32(topics);
  for (std::int32_t topic = 0; topic < topics; ++topic) {
    answer.Text(request.Text());
    const std::int32_t partitions = request.Int32();
    answer.Int32(partitions);
    for (std::int32_t i = 0; i < partitions; ++i) {
      answer.Int32(request.Int32()).Int16(error);
      (void)request.Int64();
      if (header.version >= 6) (void)request.Int32();
      if (header.version == 1) (void)request.Int64();
      (void)request.Text();
    }
  }
  return answer.bytes();
}

}  // namespace workmand::kafka_broker
