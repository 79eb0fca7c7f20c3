// Cuts a byte stream into lines, with bounded memory. Pure: bytes in, lines out, no I/O.
// The stream's rules are docs/protocol.md, "Framing".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace workman::protocol {

/// One line without its LF and without one trailing CR.
struct Line {
  std::string_view text;
  /// The line was longer than the limit: `text` is its first kOverflowKept bytes, the rest was
  /// dropped as it came.
  bool overflow = false;
};

/// Fed with chunks as they are read; hands each complete line to a callback. Lines that lie whole
/// in a chunk are not copied. A UTF-8 BOM at the very start of the stream is dropped.
class LineReader {
 public:
  static constexpr std::size_t kOverflowKept = 4096;

  /// `max_line`: bytes before the LF, a trailing CR included.
  explicit LineReader(std::size_t max_line) : max_line_(max_line) {}

  /// Calls `on_line(Line)` for each line that `chunk` completes, in order. The line is valid during
  /// the call only. `on_line` must not feed this reader; it returns false to stop. Returns the rest
  /// of the chunk, from behind the line at which it was stopped: what the reader has not seen.
  template <typename OnLine>
  std::string_view Feed(std::string_view chunk, OnLine&& on_line) {
    while (!chunk.empty()) {
      const std::size_t lf = chunk.find('\n');
      if (lf == std::string_view::npos) {
        Keep(chunk);
        return {};
      }
      const Line line = Complete(chunk.substr(0, lf));
      chunk.remove_prefix(lf + 1);
      const bool go_on = on_line(line);
      Reset();
      if (!go_on) return chunk;
    }
    return {};
  }

  /// At end of stream: what stands after the last LF, if anything. The reader is empty afterwards;
  /// the line is valid until the next call.
  std::optional<Line> Finish();

  /// Bytes held of a line that is not complete yet.
  [[nodiscard]] std::size_t pending() const { return partial_.size(); }
  /// The line that is not complete yet is over the limit: more of it is dropped as it comes.
  [[nodiscard]] bool overflowing() const { return overflow_; }
  /// What is held of that line.
  [[nodiscard]] std::string_view partial() const { return partial_; }

 private:
  void Keep(std::string_view part);
  Line Complete(std::string_view rest);
  void Reset();

  std::size_t max_line_;
  std::string partial_;
  bool overflow_ = false;
  bool first_line_ = true;
  std::string finished_;
};

}  // namespace workman::protocol
