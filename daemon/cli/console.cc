#include "daemon/cli/console.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <unistd.h>

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

std::string ErrnoText(int error_number) {
  return std::generic_category().message(error_number);
}

}  // namespace workmand::cli
