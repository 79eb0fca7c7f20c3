// The driver `q4m`, for the queue engine of MySQL: what it can do, and how it is put together. The
// work is in q4m_lanes.cc and q4m_settle.cc; docs/queues/q4m.md says what it promises.
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/q4m_queue.h"

namespace workmand::q4m {
namespace {

std::vector<QueueKeyError> CheckQ4mOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  (void)ReadSettings(options, errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenQ4m(const DriverConfig& config, Role /*role*/) {
  std::vector<QueueKeyError> errors;
  Settings settings = ReadSettings(config.options, errors);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  return std::make_unique<Q4mQueue>(std::move(settings));
}

}  // namespace

Caps Q4mCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kPriority | Cap::kDurable | Cap::kInstantRequeue | Cap::kOrdered |
              Cap::kCount | Cap::kConfirmedAck | Cap::kAtLeastOnce | Cap::kUncountedAbort;
  return caps;
}

}  // namespace workmand::q4m

WORKMAN_QUEUE_DRIVER("q4m", workmand::q4m::Q4mCaps, workmand::q4m::CheckQ4mOptions,
                     workmand::q4m::OpenQ4m)
