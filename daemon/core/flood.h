// Meters of what a worker writes: how much of it reaches the log, and when it is a flood (V18).
// Driven by the supervisor for each worker. Pure: `now` is an argument.
#pragma once

#include <cstddef>
#include <cstdint>

#include "daemon/base/time.h"

namespace workmand {

/// Lets so many lines a second through and counts the others.
class LineBudget {
 public:
  static constexpr int kLinesPerSecond = 1000;

  /// False when this second has no room left.
  bool Take(TimePoint now);
  /// How many lines were refused since the last call.
  std::uint64_t TakeDropped();

 private:
  std::int64_t second_ = -1;
  int lines_ = 0;
  std::uint64_t dropped_ = 0;
};

/// Tells when useless output is a flood: more than kBytes in a second, or more than kLines in each
/// of kSeconds in a row.
class FloodMeter {
 public:
  static constexpr std::size_t kBytes = std::size_t{1} << 20U;
  static constexpr std::size_t kLines = 1000;
  static constexpr int kSeconds = 10;
  static constexpr std::int64_t kPause = 2;  ///< seconds from one telling to the next, at least

  /// Counts. True at the line that makes it a flood, and then not again before a whole second has
  /// passed: who is told has the time to stop.
  bool Add(std::size_t bytes, std::size_t lines, TimePoint now);

 private:
  std::int64_t second_ = -1;
  std::size_t bytes_ = 0;  ///< in that second, and so on
  std::size_t lines_ = 0;
  int full_seconds_ = 0;         ///< in a row before this one, each with more than kLines
  std::int64_t told_ = -kPause;  ///< the last second in which it was told
};

}  // namespace workmand
