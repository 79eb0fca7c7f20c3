#include "daemon/queue/options.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace workmand {
namespace {

const QueueOptions::Value* FindKey(const QueueOptions& options, std::string_view key) {
  const auto found = options.extra.find(std::string(key));
  return found == options.extra.end() ? nullptr : &found->second;
}

/// How many letters must be added, removed or replaced to get from `a` to `b`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Fail(ErrorCode::kInvalid, "a % in a URL must be followed by two hexadecimal digits");
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  // Beyond a third of the letters the hint would be a guess.
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string JoinWords(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += words[i];
  }
  return out;
}

void CheckKnownKeys(const QueueOptions& options, std::span<const std::string_view> known,
                    std::vector<QueueKeyError>& errors) {
  for (const auto& [key, value] : options.extra) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string sentence = "is not a key of the driver " + options.driver;
    const std::string_view near = Nearest(key, known);
    if (!near.empty()) {
      sentence += " (did you mean \"" + std::string(near) + "\"?)";
    } else if (known.empty()) {
      sentence += ", which has none of its own";
    } else {
      sentence += ", which knows " + JoinWords(known);
    }
    errors.push_back({key, sentence});
  }
}

bool HasKey(const QueueOptions& options, std::string_view key) {
  return FindKey(options, key) != nullptr;
}

Result<std::string> GetString(const QueueOptions& options, std::string_view key,
                              std::string_view fallback) {
  const QueueOptions::Value* value = FindKey(options, key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_list) return Fail(ErrorCode::kInvalid, "must be one value, not a list");
  return value->text;
}

Result<std::vector<std::string>> GetList(const QueueOptions& options, std::string_view key) {
  const QueueOptions::Value* value = FindKey(options, key);
  if (value == nullptr) return std::vector<std::string>{};
  if (value->is_list) return value->list;
  return std::vector<std::string>{value->text};
}

Result<std::string> GetChoice(const QueueOptions& options, std::string_view key,
                              std::span<const std::string_view> choices,
                              std::string_view fallback) {
  auto value = GetString(options, key, fallback);
  if (!value || std::find(choices.begin(), choices.end(), *value) != choices.end()) return value;
  return Fail(ErrorCode::kInvalid,
              "must be one of " + JoinWords(choices) + " (got \"" + *value + "\")");
}

Result<QueueUrl> ParseQueueUrl(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) {
    return Fail(ErrorCode::kInvalid, "must be a URL like scheme://host:port/path");
  }
  QueueUrl url;
  url.scheme = text.substr(0, colon);
  for (char& c : url.scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  std::string_view rest = text.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  const auto path = PercentDecode(slash == std::string_view::npos ? "" : rest.substr(slash));
  if (!path) return tl::unexpected(path.error());
  url.path = *path;

  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view login = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const std::size_t split = login.find(':');
    const auto user = PercentDecode(login.substr(0, split));
    const auto password =
        PercentDecode(split == std::string_view::npos ? "" : login.substr(split + 1));
    if (!user) return tl::unexpected(user.error());
    if (!password) return tl::unexpected(password.error());
    url.user = *user;
    url.password = *password;
  }
  while (!authority.empty()) {
    const std::size_t comma = authority.find(',');
    url.hosts.emplace_back(authority.substr(0, comma));
    authority.remove_prefix(comma == std::string_view::npos ? authority.size() : comma + 1);
  }
  return url;
}

Result<HostPort> ParseHostPort(std::string_view text, std::uint16_t default_port) {
  const auto bad = [&text] {
    return Fail(ErrorCode::kInvalid, "must be host:port (got \"" + std::string(text) + "\")");
  };
  HostPort out{"", default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return bad();
    out.host = text.substr(1, close - 1);
    if (close + 1 < text.size() && text[close + 1] != ':') return bad();
    if (close + 1 < text.size()) port = text.substr(close + 2);
    if (close + 2 == text.size()) return bad();
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = text.substr(colon + 1);
      if (port.empty()) return bad();
    }
  }
  if (!port.empty()) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size()) return bad();
    if (number == 0 || number > 65'535) {
      return Fail(ErrorCode::kInvalid,
                  "must have a port from 1 to 65535 (got \"" + std::string(text) + "\")");
    }
    out.port = static_cast<std::uint16_t>(number);
  }
  if (out.host.empty()) {
    if (port.empty()) return bad();
    out.host = "127.0.0.1";
  }
  return out;
}

}  // namespace workmand
