// What one message of a filter says of the job it answers. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/profile/pattern.h"
#include "daemon/profile/profile.h"

namespace workmand {

struct FilterAnswer {
  bool ok = true;
  std::string_view bytes;  ///< the result, or the error as a JSON object
  std::string message;     ///< of the error
};

/// Reads answers by the `lines` block of a profile.
class AnswerReader {
 public:
  explicit AnswerReader(const LinesOptions& options);
  /// Views of the answer are valid until the next call, and as long as `frame` is.
  FilterAnswer Read(std::string_view frame);

 private:
  FilterAnswer Failed(std::string_view code, std::string message);
  std::optional<FilterAnswer> ErrorMember(std::string_view json);

  LinesOptions options_;
  std::optional<Pattern> error_;
  std::string scratch_;
  std::string error_object_;
};

}  // namespace workmand
