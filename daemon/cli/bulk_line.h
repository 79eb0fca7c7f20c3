// The pure half of `workman enqueue --from`: lines into jobs, and how far it has come as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/job.h"
#include "daemon/base/result.h"
#include "daemon/profile/profile.h"
#include "protocol/line_reader.h"

namespace workmand::cli {

/// One job, nothing for a blank line, or a sentence that says what is wrong with the line.
[[nodiscard]] Result<std::optional<Enqueue>> ParseBulkLine(const workman::protocol::Line& line,
                                                           PayloadKind kind);

/// How far a bulk run has come.
struct BulkCounts {
  std::uint64_t lines = 0;
  std::uint64_t put = 0;
  std::uint64_t bad = 0;
};
/// "[#####-----]  50%  1000 jobs, 2 bad lines"; without the bar where the end is not known.
std::string RenderProgress(const BulkCounts& counts, std::optional<double> fraction);

}  // namespace workmand::cli
