// Small things that all who play the daemon need.
#pragma once

#include <string>
#include <string_view>

namespace workmand::cli {

/// A fresh random delivery id.
[[nodiscard]] std::string NewDeliveryId();
/// `text` on one line, and at most so many bytes of it.
[[nodiscard]] std::string OnOneShortLine(std::string_view text, std::size_t most);

}  // namespace workmand::cli
