// Broken invariants end the daemon at the spot, in every build; expected failures are never checks.
#pragma once

namespace workmand {

/// Writes the sentence to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const char* sentence) noexcept;

}  // namespace workmand

#define WORKMAND_CHECK(condition, sentence) \
  ((condition) ? static_cast<void>(0)       \
               : ::workmand::CheckFailed(__FILE__, __LINE__, #condition, sentence))
