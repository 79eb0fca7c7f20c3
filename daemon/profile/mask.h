// What must not be shown of a profile.
#pragma once

#include "daemon/profile/profile.h"

namespace workmand {

/// A copy whose passwords are "***": those in URLs wherever they stand, and the values of
/// environment variables and queue keys that are named like secrets.
Profile Masked(Profile profile);

}  // namespace workmand
