#include "daemon/core/intake.h"

#include "daemon/base/check.h"

namespace workmand {

void Intake::Add(std::uint64_t source, std::size_t bytes) {
  if (bytes == 0) return;
  waiting_[source] += bytes;
  total_ += bytes;
}

void Intake::Remove(std::uint64_t source, std::size_t bytes) {
  if (bytes == 0) return;
  const auto found = waiting_.find(source);
  WORKMAND_CHECK(found != waiting_.end() && found->second >= bytes,
                 "more came back from the queue than was given to it");
  found->second -= bytes;
  total_ -= bytes;
  if (found->second == 0) waiting_.erase(found);
}

bool Intake::Full(std::uint64_t source) const {
  return Of(source) > kHigh || total_ > kAllHigh;
}

bool Intake::HasRoom(std::uint64_t source) const {
  return Of(source) <= kLow && total_ <= kAllLow;
}

std::size_t Intake::Of(std::uint64_t source) const {
  const auto found = waiting_.find(source);
  return found == waiting_.end() ? 0 : found->second;
}

}  // namespace workmand
