// A POSIX extended regular expression, compiled once. What lines.error_match is.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace workmand {

class Pattern {
 public:
  /// Error: why `text` is no expression.
  [[nodiscard]] static Result<Pattern> Compile(const std::string& text);
  /// Whether it occurs in `text`, which may hold any bytes.
  [[nodiscard]] bool FoundIn(std::string_view text) const;

 private:
  struct Compiled;
  explicit Pattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace workmand
