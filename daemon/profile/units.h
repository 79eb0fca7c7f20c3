// Durations and sizes as people write them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/base/time.h"

namespace workmand {

/// "20s", "500ms", "5m", "1h", "30d", "1.5s", or a bare number of seconds; "infinity" = kInfinite.
/// The error says what is accepted and what was given.
[[nodiscard]] Result<Duration> ParseDuration(std::string_view text);
[[nodiscard]] std::string PrintDuration(Duration duration);
/// "256MiB", "4KiB", "1GiB", or a bare number of bytes.
[[nodiscard]] Result<std::uint64_t> ParseSize(std::string_view text);
[[nodiscard]] std::string PrintSize(std::uint64_t bytes);
/// "10%" or 0.1 as a fraction in [0, 1].
[[nodiscard]] Result<double> ParseFraction(std::string_view text);
[[nodiscard]] std::string PrintFraction(double fraction);
/// The shortest text that reads back as the same number.
[[nodiscard]] std::string PrintNumber(double number);

}  // namespace workmand
