// Keys to come. Each is refused with what to do meanwhile, so that nobody believes in a limit that
// nobody watches.
#include <array>

#include "daemon/profile/keys.h"
#include "daemon/profile/units.h"

namespace workmand {
namespace {

/// Whether the value says what leaving the key out says. An empty list or mapping, and any
/// spelling of 0, ask for nothing where `accepted` is "[]", "{}" or "0".
bool AsksForNothing(const FutureKey& key, const YamlNode& node) {
  if (key.accepted.empty()) return false;
  if (node.kind == YamlNode::Kind::kSequence) return key.accepted == "[]" && node.items.empty();
  if (node.kind == YamlNode::Kind::kMapping) return key.accepted == "{}" && node.entries.empty();
  if (node.text == key.accepted) return true;
  if (key.accepted != "0") return false;
  const auto size = ParseSize(node.text);
  return size && *size == 0;
}

}  // namespace

const std::vector<FutureKey>& FutureKeys() {
  static const std::vector<FutureKey> keys = {
      {"max_memory", "0", "recycle workers with max_reqs_per_child or max_lifetime"},
      {"max_memory_hard", "0", "limit the address space with rlimits.as"},
      {"max_memory_pool", "0", "lower max_workers, or limit the whole service from outside"},
      {"watch", "[]", "send SIGHUP to workmand after a change of files"},
      {"hooks", "{}", "follow the log with log.format: json"},
      {"admin.port", "0", "ask the control socket with workman status"},
      {"admin.host", "", "there is no HTTP server; ask the control socket with workman status"},
      {"tasks.*.rate", "", "bound the task with limit"},
      {"tasks.*.priority", "", "give each job its priority when it is enqueued"},
  };
  return keys;
}

void ReadFutureKey(const FutureKey& key, const Field& field) {
  const YamlNode& node = field.node();
  if (node.broken || node.kind == YamlNode::Kind::kNull || AsksForNothing(key, node)) return;
  field.Refuse("is not supported yet: " + std::string(key.instead));
}

}  // namespace workmand
