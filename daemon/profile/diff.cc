#include "daemon/profile/diff.h"

#include <algorithm>

#include "daemon/profile/keys.h"

namespace workmand {
namespace {

const std::string* FindPart(const Key::Parts& parts, const std::string& name) {
  for (const auto& [key, value] : parts) {
    if (key == name) return &value;
  }
  return nullptr;
}

/// The names of the sub-keys that were added, dropped or changed: first those that are loaded.
std::vector<std::string> ChangedParts(const Key::Parts& running, const Key::Parts& loaded) {
  std::vector<std::string> changed;
  for (const auto& [name, value] : loaded) {
    const std::string* before = FindPart(running, name);
    if (before == nullptr || *before != value) changed.push_back(name);
  }
  for (const auto& [name, value] : running) {
    if (FindPart(loaded, name) == nullptr) changed.push_back(name);
  }
  return changed;
}

}  // namespace

ProfileDiff Diff(const Profile& running, const Profile& loaded) {
  ProfileDiff diff;
  for (const Key& key : Keys()) {
    std::vector<std::string> changed;
    if (key.parts) {
      changed = ChangedParts(key.parts(running), key.parts(loaded));
    } else if (key.print(running) != key.print(loaded)) {
      changed.push_back(key.path);
    }
    diff.changed.insert(diff.changed.end(), changed.begin(), changed.end());
    if (!key.needs_restart) continue;
    diff.needs_restart.insert(diff.needs_restart.end(), changed.begin(), changed.end());
  }
  return diff;
}

}  // namespace workmand
