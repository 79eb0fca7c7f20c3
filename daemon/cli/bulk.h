// `workman enqueue --from FILE|-`: many jobs, one a line, in batches.
#pragma once

#include <string>

#include "daemon/cli/console.h"

namespace workmand::cli {

struct BulkOptions {
  std::string profile;  ///< path
  std::string from;     ///< path, or "-" for stdin
};

[[nodiscard]] ExitCode RunBulk(const BulkOptions& options);

}  // namespace workmand::cli
