#include "daemon/profile/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace workmand {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

/// Largest first: printing takes the first that divides.
constexpr std::array kTimeUnits = {
    Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1'000}, Unit{"ms", 1},
};
constexpr std::array kSizeUnits = {
    Unit{"TiB", std::uint64_t{1} << 40U},
    Unit{"GiB", std::uint64_t{1} << 30U},
    Unit{"MiB", std::uint64_t{1} << 20U},
    Unit{"KiB", std::uint64_t{1} << 10U},
    Unit{"B", 1},
};
constexpr std::uint64_t kLongestMs = std::uint64_t{36'500} * 86'400'000;

/// More digits after the point than anybody needs; fewer could overflow below.
constexpr std::size_t kMaxFractionDigits = 6;

/// A number as written, in two whole parts so that nothing is rounded: 1.25 is 1 and 25/100.
struct Decimal {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;
  std::uint64_t fraction_base = 1;
  std::string_view unit;  ///< what follows the digits
};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t CountDigits(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  return count;
}

std::optional<std::uint64_t> ParseWhole(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<Decimal> ParseDecimal(std::string_view text) {
  Decimal decimal;
  const auto whole = ParseWhole(text.substr(0, CountDigits(text)));
  if (!whole) return std::nullopt;
  decimal.whole = *whole;
  text.remove_prefix(CountDigits(text));
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    const std::size_t digits = CountDigits(text);
    const auto fraction = ParseWhole(text.substr(0, digits));
    if (!fraction || digits > kMaxFractionDigits) return std::nullopt;
    decimal.fraction = *fraction;
    for (std::size_t i = 0; i < digits; ++i) decimal.fraction_base *= 10;
    text.remove_prefix(digits);
  }
  decimal.unit = text;
  return decimal;
}

enum class Trouble { kTooFine, kTooLarge };

/// `decimal` times `factor`, exactly.
tl::expected<std::uint64_t, Trouble> Scale(const Decimal& decimal, std::uint64_t factor) {
  const std::uint64_t parts = decimal.fraction * factor;
  if (parts % decimal.fraction_base != 0) return tl::unexpected(Trouble::kTooFine);
  const std::uint64_t rest = parts / decimal.fraction_base;
  if (decimal.whole > (std::numeric_limits<std::uint64_t>::max() - rest) / factor) {
    return tl::unexpected(Trouble::kTooLarge);
  }
  return decimal.whole * factor + rest;
}

template <std::size_t kCount>
std::optional<std::uint64_t> FactorOf(std::string_view suffix,
                                      const std::array<Unit, kCount>& units) {
  for (const Unit& unit : units) {
    if (unit.suffix == suffix) return unit.factor;
  }
  return std::nullopt;
}

std::string Got(std::string_view text) {
  return " (got '" + std::string(text) + "')";
}

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  if (text == "infinity") return kInfinite;
  if (text.size() > 1 && text.front() == '-' && IsDigit(text[1])) {
    return Fail(ErrorCode::kInvalid, "must not be negative" + Got(text));
  }
  const auto decimal = ParseDecimal(text);
  std::optional<std::uint64_t> factor;
  if (decimal) factor = decimal->unit.empty() ? 1'000 : FactorOf(decimal->unit, kTimeUnits);
  if (!factor) {
    return Fail(
        ErrorCode::kInvalid,
        "must be a duration such as 500ms, 20s, 5m, 1h, 30d or a number of seconds" + Got(text));
  }
  const auto ms = Scale(*decimal, *factor);
  if (!ms && ms.error() == Trouble::kTooFine) {
    return Fail(ErrorCode::kInvalid, "must be a whole number of milliseconds" + Got(text));
  }
  if (!ms || *ms > kLongestMs) {
    return Fail(ErrorCode::kInvalid, "must be at most 36500d" + Got(text));
  }
  return Duration{static_cast<Duration::rep>(*ms)};
}

std::string PrintDuration(Duration duration) {
  if (duration == kInfinite) return "infinity";
  if (duration.count() == 0) return "0s";
  const bool negative = duration.count() < 0;
  const auto ms = static_cast<std::uint64_t>(negative ? -duration.count() : duration.count());
  for (const Unit& unit : kTimeUnits) {
    if (ms % unit.factor != 0) continue;
    return (negative ? "-" : "") + std::to_string(ms / unit.factor) + std::string(unit.suffix);
  }
  return {};
}

Result<std::uint64_t> ParseSize(std::string_view text) {
  const auto decimal = ParseDecimal(text);
  std::optional<std::uint64_t> factor;
  if (decimal) factor = decimal->unit.empty() ? 1 : FactorOf(decimal->unit, kSizeUnits);
  if (!factor) {
    return Fail(ErrorCode::kInvalid,
                "must be a size such as 64KiB, 256MiB, 2GiB or a number of bytes" + Got(text));
  }
  const auto bytes = Scale(*decimal, *factor);
  if (bytes) return *bytes;
  return Fail(ErrorCode::kInvalid,
              (bytes.error() == Trouble::kTooFine ? "must be a whole number of bytes"
                                                  : "is more bytes than a machine can count") +
                  Got(text));
}

std::string PrintSize(std::uint64_t bytes) {
  for (const Unit& unit : kSizeUnits) {
    if (bytes == 0 || unit.factor == 1 || bytes % unit.factor != 0) continue;
    return std::to_string(bytes / unit.factor) + std::string(unit.suffix);
  }
  return std::to_string(bytes);
}

Result<double> ParseFraction(std::string_view text) {
  std::string_view digits = text;
  const bool percent = !digits.empty() && digits.back() == '%';
  if (percent) digits.remove_suffix(1);
  double value = 0;
  const char* const end = digits.data() + digits.size();
  // from_chars also knows "inf", "nan" and "-0.1"; a fraction starts with a digit.
  const bool is_number = !digits.empty() && IsDigit(digits.front());
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (!is_number || parsed.ec != std::errc{} || parsed.ptr != end) {
    return Fail(ErrorCode::kInvalid, "must be a share such as 10% or 0.1" + Got(text));
  }
  if (percent) value /= 100;
  if (value > 1) return Fail(ErrorCode::kInvalid, "must be at most 100%" + Got(text));
  return value;
}

std::string PrintNumber(double number) {
  std::array<char, 32> buffer{};
  const auto printed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), printed.ptr};
}

std::string PrintFraction(double fraction) {
  const std::string percent = PrintNumber(fraction * 100) + "%";
  const auto again = ParseFraction(percent);
  const bool exact = again && std::to_string(*again) == std::to_string(fraction) &&
                     PrintNumber(*again) == PrintNumber(fraction);
  return exact && percent.size() <= 5 ? percent : PrintNumber(fraction);
}

}  // namespace workmand
