// Perl's Storable, as TheSchwartz and Qudo keep arguments in: read to JSON. Only what JSON can say
// is read (hashes, arrays, strings, numbers, undef, references to these); the rest is refused by
// name. Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace workmand {

/// Whether the bytes look like what Storable's nfreeze or freeze writes.
[[nodiscard]] bool IsStorable(std::string_view bytes);

/// The value as JSON text. The error is a sentence.
[[nodiscard]] Result<std::string> StorableToJson(std::string_view bytes);

}  // namespace workmand
