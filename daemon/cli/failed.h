// `workman failed`: the jobs that failed for good, straight from the queue; no daemon is needed.
#pragma once

#include <string>
#include <vector>

#include "daemon/cli/console.h"

namespace workmand::cli {

/// All of them, the newest first; `as_json`: one object a line.
[[nodiscard]] ExitCode RunFailedList(const std::string& profile, bool as_json);
/// One of them with its error and arguments.
[[nodiscard]] ExitCode RunFailedShow(const std::string& profile, const std::string& id,
                                     bool as_json);

/// What `retry` and `drop` work on.
struct LetterChoice {
  std::vector<std::string> ids;
  bool all = false;  ///< all that are there when it begins; then `ids` is empty
};
/// Puts jobs back on the queue. Goes on after one that cannot be, which makes it kFailed.
[[nodiscard]] ExitCode RunFailedRetry(const std::string& profile, const LetterChoice& choice);
/// Deletes them, in the same way.
[[nodiscard]] ExitCode RunFailedDrop(const std::string& profile, const LetterChoice& choice);

}  // namespace workmand::cli
