#include "daemon/profile/key_kinds.h"

#include <algorithm>

namespace workmand {
namespace {

std::string Got(const std::string& text) {
  return " (got " + text + ")";
}
std::string GotText(const std::string& text) {
  return " (got '" + text + "')";
}

std::string JoinWords(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ", ") + word;
  return joined;
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return number;
}

}  // namespace

std::optional<int> ReadInteger(const Field& field, IntegerRange range) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  const auto number = ParseNumber<long long>(*text);
  if (!number) {
    field.Refuse("must be " + std::string(range.what) + GotText(*text));
  } else if (*number < range.min) {
    field.Refuse("must be at least " + std::to_string(range.min) + Got(*text));
  } else if (*number > range.max) {
    field.Refuse("must be at most " + std::to_string(range.max) + Got(*text));
  } else {
    return static_cast<int>(*number);
  }
  return std::nullopt;
}

std::optional<Duration> ReadDuration(const Field& field, DurationRule rule) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  const auto duration = ParseDuration(*text);
  if (!duration) {
    field.Refuse(duration.error().message);
  } else if (*duration == kInfinite && !rule.infinity_allowed) {
    field.Refuse("cannot be infinity" + std::string(rule.zero_allowed ? "; 0 turns it off" : ""));
  } else if (duration->count() == 0 && !rule.zero_allowed) {
    field.Refuse("must be more than 0" + Got(*text));
  } else {
    return *duration;
  }
  return std::nullopt;
}

std::optional<bool> ReadSwitch(const Field& field) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  for (const std::string_view word : {"true", "True", "TRUE"}) {
    if (*text == word) return true;
  }
  for (const std::string_view word : {"false", "False", "FALSE"}) {
    if (*text == word) return false;
  }
  field.Refuse("must be true or false" + GotText(*text));
  return std::nullopt;
}

std::optional<double> ReadFraction(const Field& field) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  const auto fraction = ParseFraction(*text);
  if (fraction) return *fraction;
  field.Refuse(fraction.error().message);
  return std::nullopt;
}

std::optional<double> ReadFactor(const Field& field) {
  constexpr double kMaxFactor = 1000;
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  const auto factor = ParseNumber<double>(*text);
  // Written so that a NaN is refused as well.
  if (factor && *factor >= 1 && *factor <= kMaxFactor) return factor;
  field.Refuse("must be a number from 1 to 1000" + GotText(*text));
  return std::nullopt;
}

std::optional<std::uint64_t> ReadSize(const Field& field, std::uint64_t min, std::uint64_t max) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  const auto size = ParseSize(*text);
  if (!size) {
    field.Refuse(size.error().message);
  } else if (*size < min) {
    field.Refuse("must be at least " + PrintSize(min) + Got(*text));
  } else if (*size > max) {
    field.Refuse("must be at most " + PrintSize(max) + Got(*text));
  } else {
    return *size;
  }
  return std::nullopt;
}

std::optional<std::size_t> ReadWord(const Field& field, const std::vector<std::string>& words) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  field.Refuse("must be one of " + JoinWords(words) + GotText(*text));
  return std::nullopt;
}

}  // namespace workmand
