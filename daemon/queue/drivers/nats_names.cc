#include "daemon/queue/drivers/nats_names.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace workmand::nats {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";
constexpr std::size_t kReadable = 32;
/// Parts of the subject of an acknowledgement, without and with a domain.
constexpr std::size_t kPlainParts = 9;
constexpr std::size_t kDomainParts = 11;

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool MayStandInWord(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > ' ' && byte != 0x7F && c != '.' && c != '*' && c != '>' && c != '%';
}

/// FNV-1a: names on a server must be the same in every version of this program.
std::uint64_t Hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

template <typename Number>
Number ToNumber(std::string_view text) {
  Number value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string WordOfTask(std::string_view task) {
  std::string word;
  for (const char c : task) {
    if (MayStandInWord(c)) {
      word += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    word += '%';
    word += kHex[byte >> 4U];
    word += kHex[byte & 15U];
  }
  return word;
}

std::string ConsumerOfTask(std::string_view task) {
  std::string name = "workman-";
  for (const char c : task.substr(0, kReadable)) name += IsPlain(c) ? c : '_';
  name += '-';
  const std::uint64_t hash = Hash(task);
  for (unsigned shift = 64; shift > 0; shift -= 4) name += kHex[(hash >> (shift - 4)) & 15U];
  return name;
}

std::optional<Delivery> ReadDelivery(std::string_view subject) {
  if (!subject.starts_with("$JS.ACK.")) return std::nullopt;
  std::vector<std::string_view> parts;
  for (std::string_view rest = subject;;) {
    const std::size_t dot = rest.find('.');
    parts.push_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  std::size_t at = 3;  // of the consumer
  if (parts.size() >= kDomainParts) {
    at = 5;
  } else if (parts.size() != kPlainParts) {
    return std::nullopt;
  }
  Delivery delivery;
  delivery.consumer = parts[at];
  delivery.id = parts[at + 2];
  delivery.put_at_ms = ToNumber<std::int64_t>(parts[at + 4]) / 1'000'000;
  return delivery;
}

std::string WhyNoStream(std::string_view name) {
  if (!name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), IsPlain)) {
    return {};
  }
  return "\"" + std::string(name) + "\" is not the name of a stream: letters, digits, _ and - only";
}

std::string WhyNoSubject(std::string_view subject) {
  const bool words = std::all_of(subject.begin(), subject.end(),
                                 [](char c) { return c == '.' || c == '%' || MayStandInWord(c); });
  if (!subject.empty() && words && subject.front() != '.' && subject.back() != '.' &&
      subject.front() != '$' && subject.find("..") == std::string_view::npos) {
    return {};
  }
  return "\"" + std::string(subject) +
         "\" is not a subject: words with dots between them, without wildcards, and no $ in front";
}

}  // namespace workmand::nats
