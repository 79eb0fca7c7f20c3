// One line of a worker's stdout -> what it is. Never throws; builds no DOM on the job path.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/messages.h"

namespace workman::protocol {

/// A valid JSON object that is no message of ours (a structured logger's line, or a later version's
/// message). Never fatal.
struct Foreign {
  std::string_view type;  ///< raw string slice of `type` without quotes, or empty
};

/// Not a JSON object at all, or a damaged one.
struct Garbage {
  bool starts_like_object = false;  ///< V05 rather than V04
  std::string why;
};

/// A message of a known type whose fields break the contract.
struct Malformed {
  std::string_view type;
  std::string_view id;    ///< as far as it could be read
  bool terminal = false;  ///< done, fail or abort
  /// All that is wrong is the use of a feature that the daemon did not offer (V15).
  bool not_offered = false;
  std::string ref;  ///< of an `enqueue`: a reply is owed; empty = none, or not readable
  std::string why;  ///< a sentence that names the field
};

/// A line of only spaces and tabs: ignored.
struct Blank {};

using Decoded = std::variant<FromWorker, Foreign, Garbage, Malformed, Blank>;

/// Decodes one line (without LF). Views in the result point into `line`. Allocates nothing for an
/// outcome without texts of its own (`done`, and `abort` without a reason).
Decoded Decode(std::string_view line);

/// What FindOutcome found.
struct Salvage {
  bool damaged = false;      ///< the line names a live id and an outcome type: an outcome was lost
  std::string_view id;       ///< the live id, when damaged or salvaged
  std::string_view message;  ///< the part of the line that is a whole message; empty = none
};
/// Finds the outcome of a live delivery inside a line that is no message: from a `{"type"` to the
/// end of the line, another text being glued before it. The delivery id is random, so no print of
/// somebody else's data can be taken for an outcome.
Salvage FindOutcome(std::string_view line, std::span<const std::string_view> live_ids);

/// Reads the `enqueue` array of an outcome, appending to `out`. On a bad one: false, and `why` is a
/// sentence that names the element and the member.
bool ReadJobSpecs(std::string_view raw_array, std::vector<JobSpec>& out, std::string& why);

/// The string member `message` of a raw error object, or "" when it has none.
std::string ErrorMessage(std::string_view raw_error);

}  // namespace workman::protocol
