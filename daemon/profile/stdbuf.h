// The library of stdbuf(1), which makes a program write its output line by line.
#pragma once

#include <string>

namespace workmand {

/// Where coreutils put libstdbuf.so on this system; empty when it is nowhere.
[[nodiscard]] std::string FindStdbufLibrary();

}  // namespace workmand
