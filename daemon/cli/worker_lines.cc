#include "daemon/cli/worker_lines.h"

#include <random>

#include "protocol/json_text.h"

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
  std::string_view part = text.substr(0, most);
  // Not in the middle of a character: what follows the cut would be one of its later bytes.
  const auto continues = [text](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (!part.empty() && continues(part.size())) part.remove_suffix(1);
  // As JSON writes it, without the quotes: control characters and bad UTF-8 would harm a terminal.
  std::string quoted;
  workman::protocol::AppendString(quoted, part);
  std::string shown;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    const bool plain = quoted[i] == '\\' && (quoted[i + 1] == '"' || quoted[i + 1] == '\\');
    shown += quoted[plain ? ++i : i];
  }
  if (part.size() < text.size()) shown += "… (" + std::to_string(text.size()) + " bytes)";
  return shown;
}

}  // namespace workmand::cli
