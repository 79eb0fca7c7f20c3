// The kinds of keys that the table is made of: each function makes a Key from its name, its place
// in Profile and its bounds.
#pragma once

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/profile/keys.h"
#include "daemon/profile/text.h"
#include "daemon/profile/units.h"

namespace workmand {

/// A word of the profile and what it stands for.
template <typename Value>
struct Choice {
  std::string_view word;
  Value value;
};

struct IntegerRange {
  int min = 0;
  int max = std::numeric_limits<int>::max();
  std::string_view what = "a whole number";  ///< for the complaint about anything else
};

/// What 0 and `infinity` are to a duration.
struct DurationRule {
  bool zero_allowed = true;
  bool infinity_allowed = false;
};
inline constexpr DurationRule kZeroRefused{false, false};
inline constexpr DurationRule kInfinityAllowed{true, true};

/// Reads one value of each kind; complains and returns nothing when it is none. Also for the
/// blocks (tasks).
std::optional<int> ReadInteger(const Field& field, IntegerRange range);
std::optional<Duration> ReadDuration(const Field& field, DurationRule rule);
std::optional<bool> ReadSwitch(const Field& field);
std::optional<double> ReadFraction(const Field& field);
std::optional<double> ReadFactor(const Field& field);
std::optional<std::uint64_t> ReadSize(const Field& field, std::uint64_t min, std::uint64_t max);
/// The index of the word, or nothing after a complaint.
std::optional<std::size_t> ReadWord(const Field& field, const std::vector<std::string>& words);

inline std::string PrintValue(int value) {
  return std::to_string(value);
}
inline std::string PrintValue(bool value) {
  return value ? "true" : "false";
}
inline std::string PrintValue(Duration value) {
  return PrintDuration(value);
}
inline std::string PrintValue(const std::string& value) {
  return QuoteYaml(value);
}
template <typename Value>
std::string PrintValue(const std::optional<Value>& value) {
  return value ? PrintValue(*value) : std::string();
}

/// A key of any kind: `read` gives an optional, `get` the place in a Profile, const or not.
template <typename Get, typename Read, typename Print>
Key MakeKey(std::string path, Get get, Read read, Print print) {
  Key key;
  key.path = std::move(path);
  key.read = [get, read](Draft& draft, const Field& field) {
    if (const auto value = read(field)) get(draft.profile) = *value;
  };
  key.print = [get, print](const Profile& profile) { return print(get(profile)); };
  return key;
}

template <typename Get>
Key IntegerKey(std::string path, Get get, IntegerRange range) {
  return MakeKey(
      std::move(path), get, [range](const Field& field) { return ReadInteger(field, range); },
      [](const auto& value) { return PrintValue(value); });
}

template <typename Get>
Key DurationKey(std::string path, Get get, DurationRule rule = {}) {
  return MakeKey(
      std::move(path), get, [rule](const Field& field) { return ReadDuration(field, rule); },
      [](const auto& value) { return PrintValue(value); });
}

template <typename Get>
Key SwitchKey(std::string path, Get get) {
  return MakeKey(std::move(path), get, ReadSwitch, [](bool value) { return PrintValue(value); });
}

template <typename Get>
Key FractionKey(std::string path, Get get) {
  return MakeKey(std::move(path), get, ReadFraction, PrintFraction);
}

template <typename Get>
Key TextKey(std::string path, Get get) {
  return MakeKey(
      std::move(path), get,
      [](const Field& field) -> std::optional<std::string> {
        const std::string* text = field.Text();
        return text == nullptr ? std::nullopt : std::make_optional(*text);
      },
      [](const std::string& value) { return PrintValue(value); });
}

template <typename Get, typename Value, std::size_t kCount>
Key ChoiceKey(std::string path, Get get, std::array<Choice<Value>, kCount> choices) {
  std::vector<std::string> words;
  words.reserve(kCount);
  for (const auto& choice : choices) words.emplace_back(choice.word);
  return MakeKey(
      std::move(path), get,
      [words, choices](const Field& field) -> std::optional<Value> {
        const auto index = ReadWord(field, words);
        return index ? std::make_optional(choices[*index].value) : std::nullopt;
      },
      [choices](Value value) {
        for (const auto& choice : choices) {
          if (choice.value == value) return std::string(choice.word);
        }
        return std::string();
      });
}

inline Key NeedsRestart(Key key) {
  key.needs_restart = true;
  return key;
}

}  // namespace workmand
