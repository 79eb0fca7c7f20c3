// What Celery's result backends keep of a task, as AsyncResult reads it. Pure, but for the clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/job.h"

namespace workmand::celery {

/// What is said of a task whose time was over before it ran.
inline constexpr std::string_view kExpired = "the task has expired";

/// Unix epoch.
[[nodiscard]] std::int64_t NowMs();
/// Whether a task with this end (see CeleryMessage::expires_ms) must not run any more.
[[nodiscard]] bool IsOver(std::int64_t expires_ms);

/// The end of task `id`, a kDone or kFail, as JSON. `expired`: it is told as revoked.
[[nodiscard]] std::string MakeResult(std::string_view id, const Update& update, bool expired);

}  // namespace workmand::celery
