// How a job looks in a beanstalkd: which tube it lies in, what its body says, and what its priority
// tells of its past. Pure. docs/queues/beanstalkd.md describes it for other programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/job.h"
#include "daemon/queue/queue.h"

namespace workmand::beanstalkd {

/// What a name of a tube may be; the server's rules, and room for the tubes below it.
[[nodiscard]] std::string WhyNoTube(std::string_view name);

/// The tube below `stem` for the jobs of one task: STEM/TASK, bytes that a tube cannot have as $HH.
/// A name too long for the server ends in a hash.
[[nodiscard]] std::string TubeOfTask(std::string_view stem, std::string_view task);
/// The tube with the notes on jobs that failed for good; no task has it.
[[nodiscard]] std::string TubeOfNotes(std::string_view stem);
/// Of what says when a dead letter is old enough to go. Begins as the other one.
[[nodiscard]] std::string TubeOfExpiries(std::string_view stem);
/// The task whose tube this is; nothing for a shared tube and a hashed name.
[[nodiscard]] std::optional<std::string> TaskOfTube(std::string_view stem, std::string_view tube);

/// The past of a job, in the low bits of its priority: the one thing that a release may change. A
/// priority of another program's has no past; it gets one with the first failure.
struct Past {
  Priority priority = Priority::kNormal;
  int ends = 0;       ///< attempts so far
  int uncounted = 0;  ///< reservations that were no deliveries
  bool ours = true;
  std::uint32_t foreign = 0;  ///< the number as found, when not ours
};
[[nodiscard]] Past ReadPast(std::uint32_t number);
[[nodiscard]] std::uint32_t ToNumber(const Past& past);

/// The body of a job of ours.
[[nodiscard]] std::string MakeBody(const Enqueue& job);
/// Fills task, payload and max_attempts from a body of ours or of anybody.
void ReadBody(std::string_view body, std::string_view stem, std::string_view tube, Job& job);

/// The note on a job that failed for good.
/// `reserves`: of the job, as the server counts them. They tell this burial from earlier ones.
[[nodiscard]] std::string MakeNote(const Job& job, std::string_view error, std::int64_t at_ms,
                                   std::uint64_t reserves);
/// All but task and payload; an empty id: this is no note.
[[nodiscard]] DeadLetter ReadNote(std::string_view body, std::uint64_t& reserves);

/// A line "name: value" of the server's statistics; empty when it is missing.
[[nodiscard]] std::string_view Statistic(std::string_view yaml, std::string_view name);
[[nodiscard]] std::uint64_t Number(std::string_view text);

}  // namespace workmand::beanstalkd
