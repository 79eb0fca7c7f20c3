// Any stream, cut anywhere, gives the lines that docs/protocol.md promises, and what is held of an
// incomplete line stays within its limit. Input: limit, cuts, lines until stop, then the stream.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "protocol/line_reader.h"
#include "tests/fuzz/fuzz.h"

namespace workmand::fuzz {
namespace {

using workman::protocol::Line;
using workman::protocol::LineReader;

struct KeptLine {
  std::string text;
  bool overflow = false;
  friend bool operator==(const KeptLine&, const KeptLine&) = default;
};

struct Lines {
  std::vector<KeptLine> whole;
  std::optional<KeptLine> unterminated;
  friend bool operator==(const Lines&, const Lines&) = default;
};

constexpr std::array<std::size_t, 8> kLimits{0, 1, 7, 64, 4095, 4096, 4097, 6000};

/// One line by the rules of the document, without a thought for speed.
KeptLine LineByRules(std::string_view raw, std::size_t limit, bool first) {
  KeptLine line;
  line.overflow = raw.size() > limit;
  if (line.overflow) {
    raw = raw.substr(0, LineReader::kOverflowKept);
  } else if (!raw.empty() && raw.back() == '\r') {
    raw.remove_suffix(1);
  }
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (first && raw.substr(0, kMark.size()) == kMark) raw.remove_prefix(kMark.size());
  line.text = raw;
  return line;
}

Lines LinesByRules(std::string_view stream, std::size_t limit) {
  Lines lines;
  for (std::size_t lf = stream.find('\n'); lf != std::string_view::npos; lf = stream.find('\n')) {
    lines.whole.push_back(LineByRules(stream.substr(0, lf), limit, lines.whole.empty()));
    stream.remove_prefix(lf + 1);
  }
  if (!stream.empty()) lines.unterminated = LineByRules(stream, limit, lines.whole.empty());
  return lines;
}

Lines Read(const std::vector<std::string_view>& pieces, std::size_t limit) {
  Lines lines;
  LineReader reader(limit);
  for (const std::string_view piece : pieces) {
    reader.Feed(piece, [&lines](const Line& line) {
      lines.whole.push_back({std::string(line.text), line.overflow});
      return true;
    });
    Require(reader.pending() <= std::max(limit, LineReader::kOverflowKept),
            "no more is held of a line than its limit");
  }
  if (const std::optional<Line> rest = reader.Finish()) {
    lines.unterminated = KeptLine{std::string(rest->text), rest->overflow};
  }
  Require(reader.pending() == 0, "a reader is empty at the end of the stream");
  return lines;
}

/// How many lines come out of a stream that is given up after `wanted` of them.
std::size_t ReadUntilStop(std::string_view stream, std::size_t limit, std::size_t wanted) {
  LineReader reader(limit);
  std::size_t count = 0;
  reader.Feed(stream, [&count, wanted](const Line&) { return ++count < wanted; });
  return count;
}

}  // namespace
}  // namespace workmand::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace workmand::fuzz;
  std::string_view stream = Text(data, size);
  const std::size_t limit = kLimits[TakeByte(stream) % kLimits.size()];
  const unsigned seed = TakeByte(stream);
  const std::size_t wanted = TakeByte(stream) + std::size_t{1};
  const Lines expected = LinesByRules(stream, limit);
  Require(Read(Pieces(stream, 0), limit) == expected, "a stream gives its lines");
  Require(Read(Pieces(stream, 1), limit) == expected, "single bytes give the same lines");
  Require(Read(Pieces(stream, seed), limit) == expected, "any cuts give the same lines");
  Require(ReadUntilStop(stream, limit, wanted) == std::min(wanted, expected.whole.size()),
          "no line follows the one that stopped the stream");
  return 0;
}
