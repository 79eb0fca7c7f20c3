// The placeholders of a command in mode exec: "{task}" or "{args.user.id}" inside an argument. Only
// their syntax; what a job puts in their place is daemon/modes/arguments.h. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace workmand {

/// A piece of one argument.
struct ArgumentPart {
  enum class Kind {
    kText,     ///< `text` as it is
    kTask,     ///< {task}
    kId,       ///< {id}: the delivery
    kAttempt,  ///< {attempt}
    kArgs,     ///< {args} or {args.a.b}: `text` is "" or "a.b"
  };
  Kind kind = Kind::kText;
  std::string text;
  friend bool operator==(const ArgumentPart&, const ArgumentPart&) = default;
};

/// Cuts an argument. A placeholder is a word of letters, digits, '_', '-' and '.' in braces that
/// begins with a letter or '_'; every other brace is text, and so is one behind a dollar sign (the
/// shell's variables). "{{word}}" is the text "{word}". Error: a word that is no placeholder.
[[nodiscard]] Result<std::vector<ArgumentPart>> ParseArgument(std::string_view argument);

}  // namespace workmand
