#include "daemon/cli/console.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace workmand::cli {

void Complain(std::string_view sentence) {
  PrintError("workman: " + std::string(sentence));
}

void PrintError(std::string_view text) {
  // One write, so that lines of several processes on one terminal stay whole.
  const std::string line = std::string(text) + "\n";
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

ExitCode PrintLine(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                       std::fputc('\n', stdout) != EOF && std::fflush(stdout) == 0;
  if (written) return ExitCode::kOk;
  Complain("cannot write to stdout: " + ErrnoText(errno));
  return ExitCode::kFailed;
}

Result<std::string> ReadAll(int fd) {
  std::string out;
  std::array<char, 65'536> chunk{};
  for (;;) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got == 0) return out;
    if (got > 0) {
      out.append(chunk.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      return Fail(ErrorCode::kSystem, ErrnoText(errno));
    }
  }
}

Result<std::string> TakeArguments(std::optional<std::string> typed) {
  if (typed && *typed != "-") return std::move(*typed);
  if (::isatty(STDIN_FILENO) == 1) {
    Complain("reading the job's arguments from the terminal; end them with Ctrl-D");
  }
  Result<std::string> all = ReadAll(STDIN_FILENO);
  if (!all) return Fail(ErrorCode::kSystem, "cannot read stdin: " + all.error().message);
  if (!all->empty() && all->back() == '\n') all->pop_back();
  return all;
}

std::string ErrnoText(int error_number) {
  return std::generic_category().message(error_number);
}

}  // namespace workmand::cli
