#include "daemon/profile/mask.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "daemon/profile/config_json.h"
#include "daemon/profile/load.h"

namespace workmand {
namespace {

constexpr std::string_view kStars = "***";
constexpr std::string_view kScheme = "://";

bool IsAllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The end of "user:password" in `rest`, the text after "://": the place of its '@'. A password
/// that holds a bare '/', '?' or '#' breaks the rules for URLs and is hidden all the same.
std::size_t FindUserEnd(std::string_view rest) {
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) return at;
  const std::size_t colon = authority.find(':');
  if (colon == std::string_view::npos) return colon;
  const std::string_view port = authority.substr(colon + 1);
  return IsAllDigits(port) && !port.empty() ? std::string_view::npos : rest.rfind('@');
}

/// One URL's part after "://", up to a blank.
std::string MaskAfterScheme(std::string_view rest) {
  std::string masked;
  const std::size_t at = FindUserEnd(rest);
  if (at != std::string_view::npos) {
    const std::size_t colon = rest.substr(0, at).find(':');
    if (colon != std::string_view::npos) {
      masked.append(rest.substr(0, colon + 1)).append(kStars);
      rest.remove_prefix(at);
    }
  }
  // Some URLs carry it as a parameter.
  constexpr std::string_view kParameter = "password=";
  const std::size_t query = rest.find('?');
  const std::size_t parameter =
      query == std::string_view::npos ? query : rest.find(kParameter, query);
  if (parameter == std::string_view::npos) return masked.append(rest);
  const std::size_t value = parameter + kParameter.size();
  masked.append(rest.substr(0, value)).append(kStars);
  const std::size_t end = rest.find('&', value);
  if (end != std::string_view::npos) masked.append(rest.substr(end));
  return masked;
}

/// Where the URL at the front of `text` ends: at a blank, or at the comma or quote before another.
std::size_t FindUrlEnd(std::string_view text) {
  constexpr std::string_view kSchemeLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
  constexpr std::string_view kBetween = ",;'\"";
  text = text.substr(0, text.find_first_of(" \t\n"));
  std::size_t next = text.find(kScheme);
  while (next != std::string_view::npos) {
    const std::size_t before = text.substr(0, next).find_last_not_of(kSchemeLetters);
    if (before != std::string_view::npos && kBetween.find(text[before]) != std::string_view::npos) {
      return before;
    }
    next = text.find(kScheme, next + 1);
  }
  return text.size();
}

bool IsSecretName(std::string_view name) {
  constexpr std::array<std::string_view, 7> kEndings = {
      "PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "SECRET_KEY", "ACCESS_KEY"};
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) {
    return upper.size() >= ending.size() &&
           upper.compare(upper.size() - ending.size(), ending.size(), ending) == 0;
  });
}

std::string MaskValue(std::string_view name, const std::string& value) {
  if (IsSecretName(name) && !value.empty()) return std::string(kStars);
  return MaskPassword(value);
}

}  // namespace

std::string MaskPassword(std::string_view url) {
  std::string masked;
  while (!url.empty()) {
    const std::size_t scheme = url.find(kScheme);
    if (scheme == std::string_view::npos) break;
    const std::size_t start = scheme + kScheme.size();
    masked.append(url.substr(0, start));
    url.remove_prefix(start);
    const std::size_t end = FindUrlEnd(url);
    masked.append(MaskAfterScheme(url.substr(0, end)));
    url.remove_prefix(end);
  }
  return masked.append(url);
}

Profile Masked(Profile profile) {
  for (std::string& argument : profile.command) argument = MaskPassword(argument);
  for (auto& [name, value] : profile.env) value = MaskValue(name, value);
  profile.config_json = ReplaceJsonStrings(profile.config_json, MaskPassword);
  for (auto& [key, value] : profile.queue.extra) {
    value.text = MaskValue(key, value.text);
    for (std::string& item : value.list) item = MaskValue(key, item);
  }
  return profile;
}

}  // namespace workmand
