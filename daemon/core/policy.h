// Retry and blame: which limits apply to a job, whether a failed one comes back, and when. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "daemon/base/job.h"
#include "daemon/base/time.h"
#include "daemon/core/limits.h"
#include "daemon/core/slot.h"

namespace workmand {

/// xoshiro256**: fast randomness for jitter and delivery ids. Seeded from the kernel by the
/// supervisor, from a printed number by tests.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  std::uint64_t Next();
  /// In [0, 1).
  double Fraction();
  DeliveryId NextDeliveryId();

 private:
  std::array<std::uint64_t, 4> state_{};
};

/// What applies to one job on one worker. Precedence: the job's own, `tasks.NAME`, announced by
/// the worker, the profile.
struct JobPolicy {
  Duration time_limit{0};
  int max_attempts = 1;
  Duration stall{0};
  RetryBackoff retry;
  TaskAnnouncement::OnAbort on_abort = TaskAnnouncement::OnAbort::kRequeue;
};
JobPolicy Resolve(const Job& job, const Limits& limits, const Announcement* announced);

/// The delay before attempt number `attempt + 1`; jitter is subtracted, so the maximum stays one.
Duration RetryDelay(const RetryBackoff& backoff, int attempt, double random_fraction);
/// A maximum less its jitter, at least 1: how many jobs this worker gets. 0 stays 0.
int DrawMaxJobs(int max_jobs, double jitter, double random_fraction);

/// Whether a job that has just failed goes to the dead letters: its attempts are used up, or it was
/// handed out so often that it must be what ends the daemon or its host.
bool IsExhausted(const Job& job, int max_attempts, int max_aborts);
/// Whether one more abort counts as an attempt: `max_aborts` ends of this job were uncounted.
bool AbortCounts(const Job& job, int max_aborts);

}  // namespace workmand
