#include "daemon/profile/load.h"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

#include "daemon/profile/expand.h"
#include "daemon/profile/keys.h"
#include "daemon/profile/mode_keys.h"
#include "daemon/profile/overrides.h"
#include "daemon/profile/queue_block.h"
#include "daemon/profile/resolve.h"
#include "daemon/profile/text.h"

namespace workmand {
namespace {

std::string Below(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

const Key* FindKey(std::string_view path) {
  for (const Key& key : Keys()) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

const FutureKey* FindFutureKey(std::string_view path) {
  for (const FutureKey& key : FutureKeys()) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

/// The names that may stand in the mapping at `path`: "log" and "name" at the top, "level" in
/// "log".
std::vector<std::string> NamesIn(const std::string& path) {
  std::vector<std::string> names;
  const std::size_t skip = path.empty() ? 0 : path.size() + 1;
  const auto add = [&](const std::string& key) {
    if (!path.empty() && (key.size() <= skip || !IsBelow(key, path))) return;
    names.push_back(key.substr(skip, key.find('.', skip) - skip));
  };
  for (const Key& key : Keys()) add(key.path);
  for (const FutureKey& key : FutureKeys()) add(std::string(key.path));
  return names;
}

/// Walks the tree against the table of keys.
class KeyReader {
 public:
  KeyReader(Draft& draft, Problems& problems) : draft_(draft), problems_(problems) {}

  void ReadMapping(const YamlNode& mapping, const std::string& path) {
    for (const YamlNode::Entry& entry : mapping.entries) {
      const Field field(entry.value, Below(path, entry.key), problems_);
      if (!ReadKnown(entry, field)) RefuseUnknown(mapping, path, entry);
    }
  }

 private:
  /// False when nobody knows the key.
  bool ReadKnown(const YamlNode::Entry& entry, const Field& field) {
    // A dot belongs to --set; here the mappings are nested.
    if (entry.key.find('.') != std::string::npos) return false;
    if (const auto target = AliasOf(field.path())) return ReadAs(*FindKey(*target), entry, field);
    if (const Key* key = FindKey(field.path())) return ReadAs(*key, entry, field);
    if (const FutureKey* future = FindFutureKey(field.path())) {
      ReadFutureKey(*future, field);
      return true;
    }
    const std::vector<std::string> names = NamesIn(field.path());
    if (names.empty()) return false;
    draft_.places[field.path()] = entry.value.place;
    if (field.IsMapping()) ReadMapping(entry.value, field.path());
    return true;
  }

  /// An empty value leaves the default.
  bool ReadAs(const Key& key, const YamlNode::Entry& entry, const Field& field) {
    if (entry.value.kind == YamlNode::Kind::kNull) return true;
    const bool is_new = draft_.places.emplace(key.path, entry.value.place).second;
    if (!is_new) {
      const std::string other(OtherSpelling(entry.key).value_or(key.path));
      problems_.Add(entry.place, field.path(), "is the same key as " + other + "; give only one");
      return true;
    }
    key.read(draft_, field);
    return true;
  }

  void RefuseUnknown(const YamlNode& mapping, const std::string& path,
                     const YamlNode::Entry& entry) {
    if (entry.key.find('.') != std::string::npos && FindKey(entry.key) != nullptr) {
      problems_.Add(entry.place, Below(path, entry.key),
                    "unknown key; the dot is for --set, a file nests the keys");
      return;
    }
    Field(mapping, path, problems_).RefuseUnknown(entry, NamesIn(path));
  }

  Draft& draft_;
  Problems& problems_;
};

/// The tree of the file with the overrides in it; false when there is no sense in going on.
bool MakeTree(std::string_view text, const LoadOptions& options, Problems& problems,
              YamlNode& root) {
  YamlText parsed = ParseYaml(text, 0);
  if (parsed.problem) {
    problems.Add({0, parsed.problem->mark}, "", parsed.problem->sentence);
    return false;
  }
  root = std::move(parsed.root);
  if (root.kind == YamlNode::Kind::kSequence || root.kind == YamlNode::Kind::kScalar) {
    problems.Add(root.place, "", "must be a mapping of keys to values, such as 'max_workers: 4'");
    return false;
  }
  ApplyOverrides(root, options.overrides, problems);
  PrepareTree(root, options, problems);
  return true;
}

}  // namespace

LoadedProfile ParseProfile(std::string_view text, const std::string& path,
                           const LoadOptions& options) {
  Problems problems(path, options.overrides);
  Draft draft;
  draft.profile.path = path;
  std::error_code ignored;
  draft.profile.directory =
      std::filesystem::absolute(path, ignored).parent_path().lexically_normal().string();
  YamlNode root;
  if (MakeTree(text, options, problems, root)) {
    KeyReader(draft, problems).ReadMapping(root, "");
    ResolveDefaults(draft, options, problems);
    ResolveWorkers(draft, options, problems);
    CheckTogether(draft, problems);
    CheckMode(draft, problems);
    CheckQueue(draft, options.check_queue, problems);
  }
  return {std::move(draft.profile), std::move(problems).Take()};
}

LoadedProfile LoadProfile(const std::string& path, const LoadOptions& options) {
  const auto text = ReadWholeFile(path);
  if (text) return ParseProfile(*text, path, options);
  LoadedProfile unread;
  unread.profile.path = path;
  unread.errors.push_back({path, {}, "", text.error().message});
  return unread;
}

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace workmand
