// What the daemon says of itself at one moment: the object of `workman status --json`, as values.
// The supervisor fills one in, verbs.h renders it, and client.h reads it back. Plain data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/time.h"

namespace workmand {

enum class DaemonState : std::uint8_t {
  kStarting,
  kRunning,
  kDegraded,  ///< workers cannot be started: no job is taken
  kPaused,
  kReloading,
  kStopping,
};

/// The job that a worker holds.
struct JobSnapshot {
  std::string id;  ///< the queue's own handle
  std::string task;
  int attempt = 1;
  Duration running{0};
  /// The payload's bytes, cut where they are long; set only where the profile says
  /// `admin.show_args: true`.
  std::optional<std::string> args;
};

/// One slot, also while no process is in it.
struct WorkerSnapshot {
  std::string worker;    ///< "thumbs-3"
  std::int64_t pid = 0;  ///< 0 = no process: rendered as null
  std::string state;     ///< a state of the worker lifecycle, e.g. "idle"
  Generation generation;
  std::uint64_t jobs = 0;  ///< outcomes of this process so far
  std::optional<JobSnapshot> job;
};

struct QueueSnapshot {
  std::string driver;
  bool up = false;
  std::uint64_t held = 0;              ///< jobs taken and not settled yet
  std::optional<std::uint64_t> depth;  ///< jobs waiting, where the queue can tell
  std::optional<std::int64_t> oldest_ms;
};

/// Since the daemon started.
struct CountsSnapshot {
  std::uint64_t taken = 0;
  std::uint64_t done = 0;
  std::uint64_t fail = 0;
  std::uint64_t abort = 0;
  std::uint64_t lost = 0;
  std::uint64_t timeout = 0;
  std::uint64_t dead = 0;  ///< jobs that went to the dead letters
};

/// What was dropped since the daemon started, and nothing depends on.
struct DroppedSnapshot {
  std::uint64_t data = 0;  ///< parts of results that the queue cannot pass on, or nobody waits for
  std::uint64_t log = 0;   ///< log messages and other output on stdout over the rate limit, lines
  std::uint64_t err = 0;   ///< stderr over the rate limit, lines
};

struct Snapshot {
  std::string profile;
  std::int64_t pid = 0;
  std::string version;
  Generation generation;
  DaemonState state = DaemonState::kStarting;
  std::vector<WorkerSnapshot> workers;
  QueueSnapshot queue;
  CountsSnapshot counts;
  std::map<std::string, std::uint64_t> violations;  ///< of the line protocol, by code: "V04"
  DroppedSnapshot dropped;
};

}  // namespace workmand
