// The lines that a program writes to descriptor 3: messages of the protocol about the one job that
// it runs, so without an id. Pure.
#pragma once

#include <string>
#include <string_view>

#include "protocol/messages.h"

namespace workmand {

/// The line with `id` as its first member, unless it has one or is no message at all. The view is
/// valid as long as `line` and `scratch` are.
std::string_view WithId(std::string_view line, std::string_view id, std::string& scratch);

/// Whether a program may send it: progress, data, log, heartbeat or enqueue. Its outcome is its
/// exit code.
bool IsControl(const workman::protocol::FromWorker& message);

}  // namespace workmand
