#include "daemon/io/freeze.h"

namespace workmand::io {

TimePoint FreezeClock::Observe(TimePoint real) {
  // Subtracting on the known side: `due_` may be kNever.
  if (due_ < real - kTolerance) frozen_ += real - due_;
  due_ = real;
  return real - frozen_;
}

void FreezeClock::Sleep(TimePoint real, std::optional<Duration> planned) {
  Observe(real);
  due_ = planned ? After(real, *planned) : kNever;
}

}  // namespace workmand::io
