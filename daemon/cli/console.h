// What every command of `workman` shares: exit codes, messages for people, whole streams in and
// out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace workmand::cli {

/// What `workman` exits with (docs/cli.md).
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,  ///< at run time: no daemon, a queue that is away, a job that failed
  kBadProfile = 2,
  kUsage = 64,
  kTimedOut = 124,
  kInterrupted = 130,  ///< SIGINT while it waited
  kTerminated = 143,   ///< SIGTERM while it waited
};

/// "workman: SENTENCE" and a line feed, on stderr.
void Complain(std::string_view sentence);
/// `text` and a line feed on stderr, with nothing before it: words that are a job's own.
void PrintError(std::string_view text);
/// `text` and a line feed on stdout, at once. When stdout does not take it, that is complained
/// about and the answer is kFailed.
[[nodiscard]] ExitCode PrintLine(std::string_view text);

/// Everything up to the end of `fd`. Blocks; the error is strerror's.
[[nodiscard]] Result<std::string> ReadAll(int fd);
/// What was typed; "-" or nothing: all of stdin, which blocks, without one line feed at its end.
[[nodiscard]] Result<std::string> TakeArguments(std::optional<std::string> typed);
/// strerror(3) of `error_number`, in a form that no other thread can change.
std::string ErrnoText(int error_number);

}  // namespace workmand::cli
