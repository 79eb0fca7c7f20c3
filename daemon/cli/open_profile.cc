#include "daemon/cli/open_profile.h"

#include <utility>

#include "daemon/cli/console.h"
#include "daemon/profile/load.h"
#include "daemon/queue/registry.h"

namespace workmand::cli {

std::optional<Profile> OpenProfile(const std::string& path, bool for_a_worker) {
  LoadOptions options;
  options.environment = ProcessEnvironment();
  options.check_queue = CheckQueueOptions;
  options.resolve_command = for_a_worker;
  LoadedProfile loaded = LoadProfile(path, options);
  for (const ProfileError& error : loaded.errors) Complain(error.ToString());
  if (!loaded.ok()) return std::nullopt;
  return std::move(loaded.profile);
}

}  // namespace workmand::cli
