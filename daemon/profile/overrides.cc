#include "daemon/profile/overrides.h"

#include <optional>

#include "daemon/profile/keys.h"
#include "daemon/profile/text.h"

namespace workmand {
namespace {

/// "tasks.\"a.b\".limit" -> tasks, a.b, limit; nothing when it is no path.
std::optional<std::vector<std::string>> SplitPath(std::string_view path) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (const char c : path) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  for (const std::string& part : parts) {
    if (part.empty() || !IsUtf8(part) || part.find('\0') != std::string::npos) return std::nullopt;
  }
  return quoted ? std::nullopt : std::make_optional(std::move(parts));
}

void Erase(YamlNode& mapping, std::string_view key) {
  std::erase_if(mapping.entries, [&](const YamlNode::Entry& entry) { return entry.key == key; });
}

/// The value below `key`, added where there is none. A null becomes a mapping: `log:` and no more
/// is a mapping without keys.
YamlNode& Descend(YamlNode& mapping, const std::string& key, const Place& place) {
  for (YamlNode::Entry& entry : mapping.entries) {
    if (entry.key == key) return entry.value;
  }
  mapping.entries.push_back({key, place, {}});
  YamlNode& added = mapping.entries.back().value;
  added.place = place;
  return added;
}

void Apply(YamlNode& root, const std::vector<std::string>& path, YamlNode value,
           Problems& problems) {
  const Place place = value.place;
  if (const auto other = OtherSpelling(path.front())) Erase(root, *other);
  YamlNode* at = &root;
  std::string walked;
  for (const std::string& part : path) {
    if (at->kind == YamlNode::Kind::kNull) at->kind = YamlNode::Kind::kMapping;
    if (at->kind != YamlNode::Kind::kMapping) {
      problems.Add(place, walked, "has no keys of its own");
      return;
    }
    at = &Descend(*at, part, place);
    walked += (walked.empty() ? "" : ".") + part;
  }
  *at = std::move(value);
}

/// Everything below an override has no place in a file.
void ClearMarks(YamlNode& node) {
  node.place.mark = {};
  for (YamlNode& item : node.items) ClearMarks(item);
  for (YamlNode::Entry& entry : node.entries) {
    entry.place.mark = {};
    ClearMarks(entry.value);
  }
}

}  // namespace

void ApplyOverrides(YamlNode& root, const Problems::Overrides& overrides, Problems& problems) {
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    const int source = static_cast<int>(i) + 1;
    const auto& [path, text] = overrides[i];
    const auto parts = SplitPath(path);
    if (!parts) {
      problems.Add({source, {}}, path, "must be --set key=value or --set key.key=value");
      continue;
    }
    YamlText parsed = ParseYaml(text, source);
    if (parsed.problem) {
      problems.Add({source, {}}, path, parsed.problem->sentence);
      continue;
    }
    parsed.root.place.source = source;
    ClearMarks(parsed.root);
    Apply(root, *parts, std::move(parsed.root), problems);
  }
}

}  // namespace workmand
