#include "daemon/profile/text.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace workmand {
namespace {

/// The length of the UTF-8 character at the front, or nothing when it is none.
std::optional<std::size_t> CharacterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  std::size_t length = 0;
  // The bounds of the second byte leave out overlong forms, surrogates and what is above U+10FFFF.
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (byte(0) >= 0xC2 && byte(0) <= 0xDF) length = 2;
  if (byte(0) >= 0xE0 && byte(0) <= 0xEF) length = 3;
  if (byte(0) >= 0xF0 && byte(0) <= 0xF4) length = 4;
  if (byte(0) == 0xE0) low = 0xA0;
  if (byte(0) == 0xED) high = 0x9F;
  if (byte(0) == 0xF0) low = 0x90;
  if (byte(0) == 0xF4) high = 0x8F;
  if (length == 0 || text.size() < length) return std::nullopt;
  if (byte(1) < low || byte(1) > high) return std::nullopt;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return std::nullopt;
  }
  return length;
}

/// Whether YAML reads `text` as this very string without quotes, wherever it stands.
bool IsBareWord(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
  constexpr std::string_view kOthers = "0123456789.+-%";
  constexpr std::array<std::string_view, 9> kWordsOfYaml = {
      "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE"};
  if (text.empty() || kLetters.find(text.front()) == std::string_view::npos) return false;
  if (std::find(kWordsOfYaml.begin(), kWordsOfYaml.end(), text) != kWordsOfYaml.end()) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return kLetters.find(c) != std::string_view::npos || kOthers.find(c) != std::string_view::npos;
  });
}

/// How many letters must be changed, added, dropped or swapped with their neighbour.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::vector<std::size_t> row(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({changed, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::move(last);
    last = std::move(row);
  }
  return last.back();
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const auto length = CharacterLength(text);
    if (!length) return false;
    text.remove_prefix(*length);
  }
  return true;
}

std::string QuoteJson(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (code < 0x20) {
      quoted += "\\u00";
      quoted += kHex[code / 16];
      quoted += kHex[code % 16];
    } else {
      quoted += c;
    }
  }
  quoted += '"';
  return quoted;
}

std::string DoubleDollars(std::string_view text) {
  std::string doubled;
  for (const char c : text) doubled.append(c == '$' ? 2 : 1, c);
  return doubled;
}

std::string QuoteYaml(std::string_view text) {
  return IsBareWord(text) ? std::string(text) : QuoteJson(DoubleDollars(text));
}

std::string QuoteYamlKey(std::string_view text) {
  return IsBareWord(text) ? std::string(text) : QuoteJson(text);
}

std::string NearestName(std::string_view name, const std::vector<std::string>& known) {
  std::string nearest;
  // A third of the letters wrong is a slip; more is another word.
  std::size_t best = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = EditDistance(name, candidate);
    if (distance >= best || distance >= candidate.size()) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string SystemReason(int error_number) {
  return error_number == 0 ? "" : std::string(": ") + std::strerror(error_number);
}

}  // namespace workmand
