// The settings that core decides by. Made from a profile by the supervisor, one per generation;
// meanings and units are those of daemon/profile/profile.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "daemon/base/time.h"

namespace workmand {

enum class TermPolicy : std::uint8_t { kIfHandled, kAlways, kOff };

struct RetryBackoff {
  Duration min{1'000};
  Duration max{600'000};
  double factor = 2;
  double jitter = 0.2;
};

/// What `tasks: {NAME: ...}` says of a task; absent = not stated.
struct TaskLimits {
  std::optional<Duration> time_limit;
  std::optional<int> max_attempts;
  std::optional<int> limit;
};

struct Limits {
  int max_workers = 1;
  int min_workers = 1;
  Duration idle_timeout{60'000};
  Duration spawn_interval{0};
  Duration start_timeout{60'000};
  Duration respawn_min{100};
  Duration respawn_max{30'000};
  int max_start_failures = 5;  ///< 0 = never degraded by them
  int max_jobs = 100;
  double max_jobs_jitter = 0.1;
  Duration max_lifetime{0};
  Duration time_limit{0};
  Duration soft_time_limit{0};
  Duration slow_job_threshold{0};
  Duration stall_timeout{0};
  Duration max_extension{0};
  Duration graceful_stop{20'000};
  Duration graceful_restart{20'000};
  Duration abort_timeout{5'000};
  Duration exit_grace{5'000};
  TermPolicy term = TermPolicy::kIfHandled;
  int max_surge = 1;
  int max_unavailable = 0;
  std::optional<int> prefetch;  ///< absent = auto
  int max_attempts = 3;
  int max_aborts = 10;
  int max_violations = 100;
  RetryBackoff retry;
  std::map<std::string, TaskLimits> tasks;

  // The fixed steps of the ladder; hidden test settings may shorten them.
  Duration term_after_eof{1'000};
  Duration cancel_grace{1'000};
  Duration flush_check{1'000};  ///< how long a worker that was not ready in time gets after EOF
};

}  // namespace workmand
