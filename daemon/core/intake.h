// How much of what workers wrote still waits for the queue, by worker and in all: the brake of
// back-pressure. Driven by the supervisor. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace workmand {

class Intake {
 public:
  // Above a high mark a worker's output is left unread; below both low marks it is read again.
  static constexpr std::size_t kHigh = std::size_t{8} << 20U;  ///< of one worker, bytes
  static constexpr std::size_t kLow = std::size_t{2} << 20U;
  static constexpr std::size_t kAllHigh = std::size_t{256} << 20U;  ///< of all together
  static constexpr std::size_t kAllLow = std::size_t{128} << 20U;

  /// `source`: one process, never used again.
  void Add(std::uint64_t source, std::size_t bytes);
  /// The queue has them, or they were given up.
  void Remove(std::uint64_t source, std::size_t bytes);

  [[nodiscard]] bool Full(std::uint64_t source) const;
  [[nodiscard]] bool HasRoom(std::uint64_t source) const;
  [[nodiscard]] std::size_t total() const { return total_; }

 private:
  [[nodiscard]] std::size_t Of(std::uint64_t source) const;

  std::unordered_map<std::uint64_t, std::size_t> waiting_;  ///< no entry = nothing
  std::size_t total_ = 0;
};

}  // namespace workmand
