// What the exit code of a program says of its job. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/profile/profile.h"

namespace workmand {

/// The profile's word, else the usual one: the codes of sysexits.h, the shell's 126 and 127, and
/// 79, by which a program gives its job back.
ExitMeaning MeaningOf(int code, const std::map<int, ExitMeaning>& stated);

/// The last line of `text` that is not blank, at most 200 bytes of it; may be empty.
std::string_view LastLine(std::string_view text);

}  // namespace workmand
