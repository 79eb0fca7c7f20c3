#include "daemon/core/flood.h"

#include <chrono>
#include <utility>

namespace workmand {
namespace {

std::int64_t SecondOf(TimePoint now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

}  // namespace

bool LineBudget::Take(TimePoint now) {
  if (const std::int64_t second = SecondOf(now); second != second_) {
    second_ = second;
    lines_ = 0;
  }
  if (lines_ < kLinesPerSecond) {
    ++lines_;
    return true;
  }
  ++dropped_;
  return false;
}

std::uint64_t LineBudget::TakeDropped() {
  return std::exchange(dropped_, 0);
}

bool FloodMeter::Add(std::size_t bytes, std::size_t lines, TimePoint now) {
  if (const std::int64_t second = SecondOf(now); second != second_) {
    const bool next = second == second_ + 1;
    full_seconds_ = next && lines_ > kLines ? full_seconds_ + 1 : 0;
    second_ = second;
    bytes_ = 0;
    lines_ = 0;
  }
  bytes_ += bytes;
  lines_ += lines;
  const bool flood = bytes_ > kBytes || (lines_ > kLines && full_seconds_ >= kSeconds - 1);
  if (!flood || second_ < told_ + kPause) return false;
  told_ = second_;
  return true;
}

}  // namespace workmand
