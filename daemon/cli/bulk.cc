#include "daemon/cli/bulk.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "daemon/cli/bulk_line.h"
#include "daemon/cli/open_profile.h"
#include "daemon/cli/target.h"
#include "daemon/io/unique_fd.h"
#include "protocol/line_reader.h"

namespace workmand::cli {
namespace {

using workman::protocol::Line;
using workman::protocol::LineReader;

constexpr std::size_t kBatch = 512;

/// One line on the terminal that is written over; nothing where stderr is none.
class ProgressLine {
 public:
  explicit ProgressLine(std::optional<std::uint64_t> total_bytes)
      : total_bytes_(total_bytes), shown_(::isatty(STDERR_FILENO) == 1) {}

  void Show(const BulkCounts& counts, std::uint64_t bytes) {
    constexpr std::chrono::milliseconds kEvery{100};
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < kEvery) return;
    last_ = now;
    std::optional<double> fraction;
    if (total_bytes_) fraction = static_cast<double>(bytes) / static_cast<double>(*total_bytes_);
    (void)std::fprintf(stderr, "\r\033[K%s", RenderProgress(counts, fraction).c_str());
  }
  /// Makes room for a message.
  void Clear() const {
    if (shown_) (void)std::fputs("\r\033[K", stderr);
  }

 private:
  std::optional<std::uint64_t> total_bytes_;
  bool shown_;
  std::chrono::steady_clock::time_point last_;
};

class BulkRun {
 public:
  BulkRun(Target& target, const Profile& profile, std::string name, int fd)
      : target_(target),
        kind_(profile.payload),
        name_(std::move(name)),
        fd_(fd),
        // Base64, or a string with every character escaped, is longer on the line than it is as
        // arguments.
        reader_(profile.max_line * 2 + 65'536),
        progress_(SizeOf(fd)) {}

  /// Reads to the end; false when reading, or the queue, broke off (complained about by then).
  bool Run() {
    std::vector<char> chunk(65'536);
    for (;;) {
      const ssize_t got = ::read(fd_, chunk.data(), chunk.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        Say("cannot read: " + ErrnoText(errno));
        (void)Flush();
        return false;
      }
      if (got == 0) break;
      bytes_ += static_cast<std::uint64_t>(got);
      bool whole = true;
      reader_.Feed({chunk.data(), static_cast<std::size_t>(got)}, [&](const Line& line) {
        Take(line);
        whole = batch_.size() < kBatch || Flush();
        return whole;
      });
      if (!whole) return false;
      if (!MoreIsThere() && !Flush()) return false;
      progress_.Show(counts_, bytes_);
    }
    if (const std::optional<Line> last = reader_.Finish()) Take(*last);
    const bool flushed = Flush();
    progress_.Clear();
    return flushed;
  }

  [[nodiscard]] const BulkCounts& counts() const { return counts_; }

 private:
  static std::optional<std::uint64_t> SizeOf(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) return std::nullopt;
    return static_cast<std::uint64_t>(info.st_size);
  }

  /// A producer that pauses should not find its jobs held back for a full batch.
  [[nodiscard]] bool MoreIsThere() const {
    pollfd one{fd_, POLLIN, 0};
    return ::poll(&one, 1, 0) > 0;
  }

  void Say(const std::string& sentence) const {
    progress_.Clear();
    Complain(name_ + ": " + sentence);
  }
  void SayOfLine(std::uint64_t line, const std::string& sentence) {
    ++counts_.bad;
    progress_.Clear();
    Complain(name_ + ":" + std::to_string(line) + ": " + sentence);
  }

  void Take(const Line& line) {
    ++counts_.lines;
    Result<std::optional<Enqueue>> job = ParseBulkLine(line, kind_);
    if (!job) {
      SayOfLine(counts_.lines, job.error().message);
    } else if (*job) {
      batch_.push_back(std::move(**job));
      line_of_.push_back(counts_.lines);
    }
  }

  bool Flush() {
    if (batch_.empty()) return true;
    const Result<void> put = target_.PutMany(batch_, ids_, why_);
    if (!put) {
      Say(put.error().message + "; of the lines " + std::to_string(line_of_.front()) + " to " +
          std::to_string(line_of_.back()) + " nobody can tell which are in");
      return false;
    }
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      if (ids_[i].empty()) {
        SayOfLine(line_of_[i], why_[i]);
      } else {
        ++counts_.put;
      }
    }
    batch_.clear();
    line_of_.clear();
    return true;
  }

  Target& target_;
  PayloadKind kind_;
  std::string name_;
  int fd_;
  LineReader reader_;
  ProgressLine progress_;
  std::uint64_t bytes_ = 0;
  BulkCounts counts_;
  std::vector<Enqueue> batch_;
  std::vector<std::uint64_t> line_of_;  ///< of each job in the batch
  std::vector<std::string> ids_;
  std::vector<std::string> why_;
};

}  // namespace

ExitCode RunBulk(const BulkOptions& options) {
  const std::optional<Profile> profile = OpenProfile(options.profile);
  if (!profile) return ExitCode::kBadProfile;
  io::UniqueFd file;
  const bool from_stdin = options.from == "-";
  if (!from_stdin) {
    file = io::UniqueFd(::open(options.from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
      Complain(options.from + ": " + ErrnoText(errno));
      return ExitCode::kFailed;
    }
  }
  const Result<std::unique_ptr<Target>> target = OpenTarget(*profile);
  if (!target) {
    Complain(target.error().message);
    return ExitCode::kFailed;
  }
  BulkRun run(**target, *profile, from_stdin ? "stdin" : options.from,
              from_stdin ? STDIN_FILENO : file.get());
  const bool whole = run.Run();
  const ExitCode printed = PrintLine(std::to_string(run.counts().put));
  if (!whole || run.counts().bad > 0) return ExitCode::kFailed;
  return printed;
}

}  // namespace workmand::cli
