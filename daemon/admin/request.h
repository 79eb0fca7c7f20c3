// The members of a request or a job line, read one by one into a Request. Shared by verbs.cc (all
// verbs) and nobody outside this room. Pure.
#pragma once

#include <span>
#include <string_view>

#include "daemon/admin/verbs.h"
#include "daemon/base/result.h"
#include "protocol/json_slicer.h"

namespace workmand {

/// One member that a verb takes. `read` answers false when `raw` (JSON text) is not what `expects`
/// says.
struct RequestField {
  std::string_view name;
  std::string_view expects;  ///< "must be …"
  bool (*read)(std::string_view raw, Request& out);
};

/// The members of a job, and those that an `enqueue` request has beyond them.
std::span<const RequestField> JobFields();
std::span<const RequestField> WaitFields();
std::span<const RequestField> ScaleFields();
std::span<const RequestField> ReloadFields();

/// `text` in quotes for a message: cut when long, so that a hostile line stays out of the logs.
std::string QuoteForMessage(std::string_view text);

}  // namespace workmand
