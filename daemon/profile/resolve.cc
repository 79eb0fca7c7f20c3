#include "daemon/profile/resolve.h"

#include <algorithm>
#include <filesystem>

#include "daemon/profile/machine.h"
#include "daemon/profile/paths.h"
#include "daemon/profile/units.h"

namespace workmand {
namespace {

namespace fs = std::filesystem;

/// `path` from `directory`, without dots and without a slash at the end.
std::string MakeAbsolute(const std::string& directory, const std::string& path) {
  std::string absolute = (fs::path(directory) / path).lexically_normal().string();
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  return absolute;
}

bool IsProfileName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

void ResolveName(Draft& draft, Problems& problems) {
  Profile& profile = draft.profile;
  const bool stated = draft.Has("name");
  if (!stated) profile.name = fs::path(profile.path).stem().string();
  if (problems.Has("name") || IsProfileName(profile.name)) return;
  problems.Add(draft.PlaceOf("name"), "name",
               "must be made of letters, digits, '_', '.' and '-' (got '" + profile.name + "'" +
                   (stated ? ")" : ", from the file's name)"));
}

void ResolveSocket(Draft& draft, const LoadOptions& options, Problems& problems) {
  AdminOptions& admin = draft.profile.admin;
  admin.socket_stated = !admin.socket.empty();
  admin.socket = admin.socket_stated
                     ? MakeAbsolute(draft.profile.directory, admin.socket)
                     : DefaultControlSocket(draft.profile.name, options.environment);
  if (admin.socket.size() <= kMaxSocketPath) return;
  problems.Add(draft.PlaceOf("admin.socket"), "admin.socket",
               "the path of a socket has at most " + std::to_string(kMaxSocketPath) +
                   " bytes, and this has " + std::to_string(admin.socket.size()) + " (" +
                   admin.socket + ")");
}

/// Complains at `key`, unless one of the two already has an error.
void RequireOrder(const Draft& draft, Problems& problems, const std::string& key,
                  const std::string& other, std::string sentence) {
  if (problems.Has(key) || problems.Has(other)) return;
  const Place place = draft.PlaceOf(draft.Has(key) ? key : other);
  problems.Add(place, key, std::move(sentence));
}

void RequireAtMost(const Draft& draft, Problems& problems, const std::string& key,
                   std::pair<Duration, Duration> values) {
  const auto [min, max] = values;
  if (min <= max) return;
  RequireOrder(draft, problems, key + ".min", key + ".max",
               "must be at most " + key + ".max, which is " + PrintDuration(max) + " (got " +
                   PrintDuration(min) + ")");
}

}  // namespace

void ResolveDefaults(Draft& draft, const LoadOptions& options, Problems& problems) {
  Profile& profile = draft.profile;
  ResolveName(draft, problems);
  if (!draft.Has("max_workers")) profile.max_workers = AllowedCpus();
  if (!draft.Has("min_workers")) profile.min_workers = profile.max_workers;
  profile.working_directory = MakeAbsolute(profile.directory, profile.working_directory);
  profile.state_dir = profile.state_dir.empty()
                          ? DefaultStateDir(options.environment)
                          : MakeAbsolute(profile.directory, profile.state_dir);
  if (!profile.log.file.empty()) {
    profile.log.file = MakeAbsolute(profile.directory, profile.log.file);
  }
  ResolveSocket(draft, options, problems);
}

void CheckTogether(const Draft& draft, Problems& problems) {
  const Profile& profile = draft.profile;
  if (!draft.Has("command") && !problems.Has("command")) {
    problems.Add({}, "command", "is missing; it says which program the workers run");
  }
  if (profile.min_workers > profile.max_workers) {
    RequireOrder(draft, problems, "min_workers", "max_workers",
                 "must be at most max_workers, which is " + std::to_string(profile.max_workers) +
                     " (got " + std::to_string(profile.min_workers) + ")");
  }
  if (profile.max_surge == 0 && profile.max_unavailable == 0) {
    RequireOrder(draft, problems, "restart.max_surge", "restart.max_unavailable",
                 "max_surge and max_unavailable cannot both be 0: nothing could be restarted");
  }
  RequireAtMost(draft, problems, "respawn_backoff",
                {profile.respawn_backoff_min, profile.respawn_backoff_max});
  RequireAtMost(draft, problems, "retry_backoff",
                {profile.retry_backoff.min, profile.retry_backoff.max});
  const bool both = profile.soft_time_limit.count() > 0 && profile.time_limit.count() > 0;
  if (both && profile.soft_time_limit >= profile.time_limit) {
    RequireOrder(draft, problems, "soft_time_limit", "time_limit",
                 "must be less than time_limit, which is " + PrintDuration(profile.time_limit) +
                     " (got " + PrintDuration(profile.soft_time_limit) + ")");
  }
}

}  // namespace workmand
