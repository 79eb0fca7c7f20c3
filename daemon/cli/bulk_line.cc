#include "daemon/cli/bulk_line.h"

#include <algorithm>
#include <utility>

#include "daemon/admin/verbs.h"

namespace workmand::cli {

Result<std::optional<Enqueue>> ParseBulkLine(const workman::protocol::Line& line,
                                             PayloadKind kind) {
  if (line.overflow) return Fail(ErrorCode::kInvalid, "the line is too long for this profile");
  if (line.text.find_first_not_of(" \t") == std::string_view::npos) return std::nullopt;
  Result<EnqueueRequest> request = ParseJobLine(line.text);
  if (!request) return tl::unexpected(request.error());
  if (const Result<void> fits = FitPayload(*request, kind); !fits) {
    return tl::unexpected(fits.error());
  }
  return std::move(request->job);
}

std::string RenderProgress(const BulkCounts& counts, std::optional<double> fraction) {
  constexpr int kWidth = 30;
  std::string out;
  if (fraction) {
    const double share = std::clamp(*fraction, 0.0, 1.0);
    const auto filled = static_cast<std::size_t>(share * kWidth);
    const std::string percent = std::to_string(static_cast<int>(share * 100));
    out += '[' + std::string(filled, '#') + std::string(kWidth - filled, '-') + "] ";
    out += std::string(3 - std::min<std::size_t>(3, percent.size()), ' ') + percent + "%  ";
  }
  out += std::to_string(counts.put) + (counts.put == 1 ? " job" : " jobs");
  if (counts.bad > 0) {
    out += ", " + std::to_string(counts.bad) + (counts.bad == 1 ? " bad line" : " bad lines");
  }
  return out;
}

}  // namespace workmand::cli
