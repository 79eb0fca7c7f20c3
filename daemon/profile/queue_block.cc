#include "daemon/profile/queue_block.h"

#include "daemon/profile/key_kinds.h"

namespace workmand {
namespace {

std::optional<QueueOptions::Value> ReadQueueValue(const Field& field) {
  const YamlNode& node = field.node();
  QueueOptions::Value value;
  value.mark = node.place.mark;
  if (node.kind == YamlNode::Kind::kMapping) {
    field.Refuse("must be a value or a list of values (got a mapping)");
    return std::nullopt;
  }
  if (node.kind != YamlNode::Kind::kSequence) {
    const std::string* text = field.Text();
    if (text == nullptr) return std::nullopt;
    value.text = *text;
    return value;
  }
  value.is_list = true;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string* text = field.Item(i).Text();
    if (text == nullptr) return std::nullopt;
    value.list.push_back(*text);
  }
  return value;
}

void ReadQueue(Draft& draft, const Field& field) {
  if (!field.IsMapping()) return;
  QueueOptions& queue = draft.profile.queue;
  for (const YamlNode::Entry& entry : field.node().entries) {
    if (entry.value.kind == YamlNode::Kind::kNull) continue;
    const Field below = field.Below(entry.value, entry.key);
    draft.places[below.path()] = entry.value.place;
    if (entry.key == "driver") {
      const std::string* text = below.Text();
      if (text != nullptr && text->empty()) below.Refuse("must name a driver");
      if (text != nullptr) queue.driver = *text;
      queue.driver_mark = entry.value.place.mark;
    } else if (entry.key == "prefix") {
      if (const std::string* text = below.Text()) queue.prefix = *text;
    } else if (auto value = ReadQueueValue(below)) {
      queue.extra[entry.key] = std::move(*value);
    }
  }
}

std::string PrintQueueValue(const QueueOptions::Value& value) {
  if (!value.is_list) return QuoteYaml(value.text);
  std::string text = "[";
  for (const std::string& item : value.list) {
    text += (text.size() > 1 ? ", " : "") + QuoteYaml(item);
  }
  return text + "]";
}

Key::Parts QueueParts(const Profile& profile) {
  const QueueOptions& queue = profile.queue;
  Key::Parts parts = {{"queue.driver", QuoteYaml(queue.driver)},
                      {"queue.prefix", QuoteYaml(queue.prefix)}};
  for (const auto& [key, value] : queue.extra) {
    parts.emplace_back("queue." + key, PrintQueueValue(value));
  }
  return parts;
}

}  // namespace

Key QueueKey() {
  Key key;
  key.path = "queue";
  key.read = ReadQueue;
  key.print = [](const Profile& profile) {
    std::string text;
    for (const auto& [path, value] : QueueParts(profile)) {
      text += "\n  " + QuoteYamlKey(path.substr(std::string_view("queue.").size())) + ": " + value;
    }
    return text;
  };
  key.parts = QueueParts;
  return key;
}

const std::vector<std::string>& QueueBlockKeys() {
  static const std::vector<std::string> keys = {"queue.driver", "queue.prefix"};
  return keys;
}

void CheckQueue(const Draft& draft, const QueueChecker& check, Problems& problems) {
  if (!check || problems.Has("queue.driver")) return;
  for (QueueKeyError& error : check(draft.profile.queue)) {
    const std::string path = "queue." + error.key;
    if (problems.Has(path)) continue;
    const Place place = draft.PlaceOf(draft.Has(path) ? path : "queue");
    problems.Add(place, path, std::move(error.sentence));
  }
}

}  // namespace workmand
