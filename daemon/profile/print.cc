#include "daemon/profile/keys.h"
#include "daemon/profile/load.h"
#include "daemon/profile/mask.h"

namespace workmand {

std::string PrintProfile(const Profile& profile) {
  const Profile shown = Masked(profile);
  std::string text;
  std::string open_group;
  for (const Key& key : Keys()) {
    const std::string value = key.print(shown);
    if (value.empty()) continue;
    const std::size_t dot = key.path.find('.');
    const std::string group = dot == std::string::npos ? "" : key.path.substr(0, dot);
    if (!group.empty() && group != open_group) text += group + ":\n";
    open_group = group;
    text += group.empty() ? key.path : "  " + key.path.substr(dot + 1);
    // A block starts in a line of its own.
    text += value.front() == '\n' ? ":" : ": ";
    text += value + "\n";
  }
  return text;
}

}  // namespace workmand
