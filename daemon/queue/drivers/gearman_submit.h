// Putting a job on a Gearman queue: which options Gearman can honour, and the packet. Pure. Shared
// by the producer's side and by follow-up jobs that ride with a settlement.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/gearman_packet.h"

namespace workmand::gearman {

/// The largest payload: a whole assignment, with its names, must fit into kMaxBody.
inline constexpr std::size_t kMaxPayload = kMaxBody - 2048;
inline constexpr std::size_t kMaxTaskName = 512;
/// gearmand takes 64 bytes, but spoils the key of exactly 64.
inline constexpr std::size_t kMaxUnique = 63;

/// Throws Rejected for a name that no Gearman task can have.
void RequireTaskName(std::string_view task);
/// Throws Rejected, with the reason, for what Gearman cannot do.
void RequireSubmittable(const Enqueue& job);

/// Appends the submit packet that suits the job's priority. The job must be submittable.
void AppendSubmit(std::string& out, const Enqueue& job, bool background);

/// `text` as the JSON object that Reply::bytes promises for a failure: as it is when it looks like
/// one, else as the `message` of one. Text that is not UTF-8 is read as Latin-1.
[[nodiscard]] std::string ErrorObject(std::string_view text);

}  // namespace workmand::gearman
