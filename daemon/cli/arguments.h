// The arguments of a job as typed or piped in: are they what the profile's workers can read? Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/profile/profile.h"

namespace workmand::cli {

/// The error is a sentence that quotes the place.
[[nodiscard]] Result<void> CheckArguments(std::string_view bytes, PayloadKind kind);

}  // namespace workmand::cli
