// YAML -> Profile, with every error listed as "file:line:col: key: sentence", not only the first.
// Reads files (the profile, its env_file) and asks the system who and what exists; never writes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/profile/profile.h"

namespace workmand {

/// One thing wrong with a profile.
struct ProfileError {
  std::string file;
  Mark mark;
  std::string key;       ///< dotted path, e.g. "queue.synchronous"; may be empty
  std::string sentence;  ///< "must be at least 1 (got 0)"
  /// "conf/a.yaml:12:3: max_workers: must be at least 1 (got 0)"; parts that are unknown are left
  /// out.
  [[nodiscard]] std::string ToString() const;
};

/// What a driver finds wrong with its keys; the loader adds file and place.
struct QueueKeyError {
  std::string key;  ///< below `queue.`; "driver" for the driver itself
  std::string sentence;
};
using QueueChecker = std::function<std::vector<QueueKeyError>(const QueueOptions&)>;

struct LoadOptions {
  /// `--set key.path=value`, in order; the value is parsed as YAML.
  std::vector<std::pair<std::string, std::string>> overrides;
  /// Environment for ${VAR}; tests pass their own.
  std::map<std::string, std::string> environment;
  /// Checks the `queue:` block; empty = not checked.
  QueueChecker check_queue;
  /// Whether workers are going to be started: command[0], working_directory, user, group and
  /// env_file must then be there. Programs that only talk to the queue or the daemon say false;
  /// an unset ${VAR} in what concerns workers alone is then no error either.
  bool resolve_command = true;
};

struct LoadedProfile {
  Profile profile;
  /// Sorted by place. With errors, `profile` holds what could be read, and defaults.
  std::vector<ProfileError> errors;
  [[nodiscard]] bool ok() const { return errors.empty(); }
};

LoadedProfile LoadProfile(const std::string& path, const LoadOptions& options);
/// The same from a text; `path` is used for messages and relative paths.
LoadedProfile ParseProfile(std::string_view text, const std::string& path,
                           const LoadOptions& options);

/// The process environment as a map, for LoadOptions.
std::map<std::string, std::string> ProcessEnvironment();

/// The effective profile as YAML that loads again to the same profile, but for passwords: those in
/// URLs, and values named like secrets in `env` and `queue`, are "***".
std::string PrintProfile(const Profile& profile);
/// "redis://user:***@host" for "redis://user:secret@host".
std::string MaskPassword(std::string_view url);

}  // namespace workmand
