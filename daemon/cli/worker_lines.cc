#include "daemon/cli/worker_lines.h"

#include <random>

namespace workmand::cli {

std::string NewDeliveryId() {
  constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr std::size_t kLength = 16;
  static std::random_device random;
  std::uniform_int_distribution<std::size_t> pick(0, kLetters.size() - 1);
  std::string id;
  while (id.size() < kLength) id += kLetters[pick(random)];
  return id;
}

std::string OnOneShortLine(std::string_view text, std::size_t most) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::string shown;
  for (const char c : text.substr(0, most)) {
    if (c == '\n') {
      shown += "\\n";
    } else if (c == '\r') {
      shown += "\\r";
    } else {
      shown += c;
    }
  }
  if (text.size() > most) shown += "… (" + std::to_string(text.size()) + " bytes)";
  return shown;
}

}  // namespace workmand::cli
