#include "daemon/queue/drivers/kafka_window.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace workmand::kafka {
namespace {

/// The first characters of our text: a version, so that no other program's is taken for ours.
constexpr std::string_view kMark = "workmand1:";
constexpr int kBase = 36;

void AppendNumber(std::string& text, std::int64_t number) {
  char digits[16];  // NOLINT(*-avoid-c-arrays): 13 digits of base 36 hold every offset
  const auto end = std::to_chars(std::begin(digits), std::end(digits), number, kBase);
  text.append(std::begin(digits), end.ptr);
}

/// Numbers with commas between them; nothing when it is anything else, or negative.
std::optional<std::vector<std::int64_t>> ReadNumbers(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number, kBase);
    if (end.ec != std::errc() || number < 0) return std::nullopt;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end.ptr - text.data()));
    if (text.empty()) break;
    if (text.front() != ',' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  return numbers;
}

}  // namespace

void Window::Restore(std::int64_t offset, std::string_view text) {
  base_ = offset;
  next_ = offset;
  ended_.clear();
  if (!text.starts_with(kMark)) return;
  text.remove_prefix(kMark.size());
  const auto numbers = ReadNumbers(text);
  if (!numbers || numbers->size() % 2 != 0) return;
  // Lengths in turn: not ended, ended.
  std::int64_t at = offset;
  for (std::size_t i = 0; i + 1 < numbers->size(); i += 2) {
    const std::int64_t first = at + (*numbers)[i];
    at = first + (*numbers)[i + 1];
    Add(first, at);
  }
}

bool Window::See(std::int64_t offset) {
  if (offset < base_) return false;
  if (offset >= next_) {
    // Transactions leave marks that are no records, and compaction takes records away.
    if (offset > next_) Add(next_, offset);
    next_ = offset + 1;
  }
  return !HasEnded(offset);
}

void Window::End(std::int64_t offset) {
  if (!HasEnded(offset)) Add(offset, offset + 1);
}

bool Window::HasEnded(std::int64_t offset) const {
  if (offset < base_) return true;
  const auto after = ended_.upper_bound(offset);
  return after != ended_.begin() && std::prev(after)->second > offset;
}

void Window::Add(std::int64_t from, std::int64_t to) {
  if (from >= to) return;
  auto run = ended_.upper_bound(from);
  if (run != ended_.begin() && std::prev(run)->second >= from) {
    --run;
    from = run->first;
  }
  while (run != ended_.end() && run->first <= to) {
    to = std::max(to, run->second);
    run = ended_.erase(run);
  }
  if (from <= base_) {
    base_ = std::max(base_, to);
    next_ = std::max(next_, base_);
  } else {
    ended_.emplace(from, to);
  }
}

Window::Position Window::Now() const {
  Position now{base_, {}};
  if (ended_.empty()) return now;
  now.text = kMark;
  std::int64_t at = base_;
  for (const auto& [first, behind] : ended_) {
    if (at != base_) now.text += ',';
    AppendNumber(now.text, first - at);
    now.text += ',';
    AppendNumber(now.text, behind - first);
    at = behind;
    // What is left out runs once more, should this consumer die.
    if (now.text.size() > kMostText) break;
  }
  return now;
}

}  // namespace workmand::kafka
