// The table of keys: for each one its name, its kind with bounds, where it lies in Profile, and
// how it is printed. Loading, printing and the diff all walk this table, so that none of them can
// forget a key.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/profile/field.h"
#include "daemon/profile/profile.h"

namespace workmand {

struct Key {
  /// Sub-keys with their printed values, in order.
  using Parts = std::vector<std::pair<std::string, std::string>>;

  std::string path;  ///< dotted: "log.level"
  /// Puts the value into the draft, or complains. Never called with a null.
  std::function<void(Draft&, const Field&)> read;
  /// The value as YAML, with everything that matters for equality; empty = nothing to say.
  std::function<std::string(const Profile&)> print;
  /// For keys whose changes are told one by one ("queue.url", not "queue"); else empty.
  std::function<Parts(const Profile&)> parts;
  bool needs_restart = false;  ///< a running daemon cannot take a change over
};

/// In the order of docs/profile.md.
const std::vector<Key>& Keys();

/// A key that the language of profiles has and this version does not: refused with the reason,
/// never ignored. `accepted` is the value that asks for nothing.
struct FutureKey {
  std::string_view path;
  std::string_view accepted;  ///< empty = none
  std::string_view instead;   ///< "only 'stdio' is; …"
};
const std::vector<FutureKey>& FutureKeys();
/// Complains unless the value asks for nothing.
void ReadFutureKey(const FutureKey& key, const Field& field);

/// Every accepted key with its dotted path, those below `queue` and `tasks.*` and the aliases
/// included.
std::vector<std::string> AcceptedKeys();

/// The key that `alias` is another spelling of.
std::optional<std::string_view> AliasOf(std::string_view alias);
/// The other spelling of a key that has two, whichever is given.
std::optional<std::string_view> OtherSpelling(std::string_view key);

}  // namespace workmand
