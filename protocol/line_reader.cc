#include "protocol/line_reader.h"

#include <algorithm>

namespace workman::protocol {
namespace {

/// A buffer that grew beyond this for one big line is given back: a pool of workers must not hold
/// the biggest line that each of them ever wrote.
constexpr std::size_t kKeptCapacity = std::size_t{256} << 10U;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view WithoutTrailingCr(std::string_view text) {
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

}  // namespace

void LineReader::Keep(std::string_view part) {
  if (!overflow_ && partial_.size() + part.size() > max_line_) {
    overflow_ = true;
    if (partial_.size() > kOverflowKept) partial_.resize(kOverflowKept);
    partial_.shrink_to_fit();
  }
  if (overflow_) part = part.substr(0, kOverflowKept - std::min(kOverflowKept, partial_.size()));
  partial_.append(part);
}

Line LineReader::Complete(std::string_view rest) {
  std::string_view text = rest;
  if (overflow_ || !partial_.empty() || rest.size() > max_line_) {
    Keep(rest);
    text = partial_;
  }
  if (!overflow_) text = WithoutTrailingCr(text);
  if (first_line_ && text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  return Line{text, overflow_};
}

void LineReader::Reset() {
  partial_.clear();
  if (partial_.capacity() > kKeptCapacity) partial_.shrink_to_fit();
  overflow_ = false;
  first_line_ = false;
}

std::optional<Line> LineReader::Finish() {
  if (partial_.empty()) return std::nullopt;
  const Line line = Complete({});
  finished_.assign(line.text);
  const bool overflow = line.overflow;
  Reset();
  return Line{finished_, overflow};
}

}  // namespace workman::protocol
