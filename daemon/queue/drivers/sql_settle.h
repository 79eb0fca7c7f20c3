// A batch of updates as the statements of one round trip, and their answer read back. Settlements
// without a waiting caller, and renewals of leases, go together in one statement each; what else
// there is takes a few statements of the same round trip. It runs nothing itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/sql_jobs.h"

namespace workmand::sql {

/// The tokens that this instance holds, each with whether somebody may be waiting for its result.
using HeldTokens = std::unordered_map<std::int64_t, bool>;

[[nodiscard]] inline std::int64_t NumberOf(Token token) {
  return static_cast<std::int64_t>(token.value);
}

/// Whether a crash of the server may undo `update` without harm.
[[nodiscard]] bool IsRelaxed(const Update& update);

class SettlePlan {
 public:
  /// `held` and `sql` must outlive it. `ttl`: of answers.
  SettlePlan(const JobSql& sql, const HeldTokens& held, Duration ttl)
      : sql_(sql), held_(held), ttl_(ttl) {}

  /// Adds `update`, without its follow-ups; it must live until the statements were sent.
  void Add(const Update& update);
  /// After the last Add.
  [[nodiscard]] std::vector<Statement> TakeStatements();
  /// How many statements there are in front of any that the caller adds.
  [[nodiscard]] std::size_t size() const { return count_; }
  /// Some job is ready, or will be, that was not before.
  [[nodiscard]] bool puts_back() const { return puts_back_; }

  /// The answers in the order of Add, from the Rows of its statements.
  [[nodiscard]] std::vector<Applied> Read(std::span<const Rows> rows) const;

 private:
  enum class Group { kNone, kDone, kExtend };
  struct Member {
    std::size_t index = 0;   ///< of the update
    std::int64_t token = 0;  ///< 0: alone, its Rows say by their number whether it was ours
    std::size_t rows = 0;    ///< of the statement that tells
  };

  void CloseGroup();
  void AddToGroup(Group group, const Update& update);
  void AddAlone(const Update& update);
  void Push(Statement statement);
  void Notify(std::string_view channel, std::int64_t id);

  const JobSql& sql_;
  const HeldTokens& held_;
  Duration ttl_;
  std::vector<Statement> statements_;
  std::size_t count_ = 0;
  std::size_t updates_ = 0;
  std::vector<Member> members_;
  Group group_ = Group::kNone;
  Duration extend_by_{0};
  std::vector<std::int64_t> tokens_;   ///< of the open group
  std::vector<std::size_t> of_group_;  ///< and which updates these are
  bool puts_back_ = false;
};

}  // namespace workmand::sql
