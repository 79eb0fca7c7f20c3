// One YAML file, one profile, one daemon. Plain data with the built-in defaults; every field states
// its unit and the meaning of 0. docs/profile.md is the user's side of it, and
// conf/reference.yaml lists every key (a test compares the three).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/base/log.h"
#include "daemon/base/time.h"

namespace workmand {

/// Where in a file a value stands; 1-based, 0 = not from the file (a default, or --set).
struct Mark {
  int line = 0;
  int column = 0;
};

enum class StopSignal { kAuto, kAlways, kNone };
enum class StderrMode { kLog, kInherit, kNull };
enum class PayloadKind { kJson, kText, kBase64, kAuto };
enum class GarbagePolicy { kTolerate, kStrict };
/// Where a worker finds the protocol: on stdin and stdout, or on descriptors 3 and 4.
enum class Channel { kStdio, kFd };

/// How workers are talked to: the line protocol, a process for each job, or a filter of lines.
enum class Mode { kProtocol, kExec, kLines };
/// What a program without the protocol writes as its result: one JSON value, or any bytes.
enum class OutputKind { kJson, kText };
/// How the messages to and from a filter are told apart.
enum class Framing { kLines, kNetstring, kU32be };
/// What the exit code of a program says of its job.
enum class ExitMeaning {
  kDone,
  kRetry,      ///< a failure; the policy of retries decides
  kPermanent,  ///< a failure that no retry can mend
  kAbort,      ///< not done, back on the queue
  kHold,       ///< the same, and no other job is tried before a reload
  kLost,       ///< the program crashed
};

/// `exec:`, of mode exec.
struct ExecOptions {
  OutputKind result = OutputKind::kJson;
  std::size_t max_result = std::size_t{16} << 20U;  ///< bytes
  std::map<int, ExitMeaning> exit_codes;            ///< where they differ from the usual ones
  int abort_signal = 15;                            ///< SIGTERM
  friend bool operator==(const ExecOptions&, const ExecOptions&) = default;
};

/// `lines:`, of mode lines.
struct LinesOptions {
  OutputKind result = OutputKind::kJson;
  Framing framing = Framing::kLines;
  bool stdbuf = false;  ///< line-buffered output, by the library of stdbuf(1)
  std::string
      error_match;        ///< an answer in which this expression occurs is a failure; empty = none
  std::string error_key;  ///< and one whose member of this name is not null; empty = none
  friend bool operator==(const LinesOptions&, const LinesOptions&) = default;
};

struct Backoff {
  Duration min{1000};
  Duration max{600'000};
  double factor = 2;
  double jitter = 0.2;  ///< 0.2 = up to 20 % is subtracted at random
  friend bool operator==(const Backoff&, const Backoff&) = default;
};

/// What `tasks: {NAME: …}` says; wins over what a worker announces. Absent = not stated.
struct TaskOptions {
  std::optional<Duration> time_limit;  ///< 0 = none
  std::optional<int> max_attempts;     ///< at least 1
  std::optional<int> limit;            ///< how many run at once in this pool; 0 = no limit
  friend bool operator==(const TaskOptions&, const TaskOptions&) = default;
};

/// A resource limit for workers, as the launcher wants it: "nofile" -> 4096.
using RlimitMap = std::map<std::string, std::uint64_t>;

/// The `queue:` block: the driver's name and its own keys, checked by the driver
/// (queue/registry.h).
struct QueueOptions {
  struct Value {
    std::string text;               ///< a scalar, ${VAR} replaced; relative paths as written
    std::vector<std::string> list;  ///< a sequence of scalars
    bool is_list = false;
    Mark mark;
    friend bool operator==(const Value& a, const Value& b) {
      return a.text == b.text && a.list == b.list && a.is_list == b.is_list;
    }
  };
  std::string driver = "sqlite";
  Mark driver_mark;
  std::string prefix;                  ///< put before every task name on the queue
  std::map<std::string, Value> extra;  ///< every other key
  friend bool operator==(const QueueOptions& a, const QueueOptions& b) {
    return a.driver == b.driver && a.prefix == b.prefix && a.extra == b.extra;
  }
};

struct AdminOptions {
  std::string socket;  ///< absolute path, resolved by the loader (see DefaultControlSocket)
  /// Whether the profile names the socket; then nobody looks for it anywhere else
  /// (ControlSocketCandidates). Not part of the comparison.
  bool socket_stated = false;
  bool show_args = false;
  friend bool operator==(const AdminOptions& a, const AdminOptions& b) {
    return a.socket == b.socket && a.show_args == b.show_args;
  }
};

struct LogOptions {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kText;
  std::string file;  ///< absolute; empty = stderr
  friend bool operator==(const LogOptions&, const LogOptions&) = default;
};

struct Profile {
  std::string path;       ///< of the file, as given
  std::string directory;  ///< of the file, absolute: relative paths start here
  std::string name;

  std::vector<std::string> command;        ///< argv, never a shell; command[0] as written
  std::string working_directory;           ///< absolute
  std::map<std::string, std::string> env;  ///< env_file first, then env
  std::string user;                        ///< empty = unchanged
  std::string group;
  std::optional<int> nice;
  RlimitMap rlimits;
  std::string config_json;  ///< `config:` as a JSON object on one line; empty = absent

  int max_workers = 1;            ///< default: the CPUs that the cgroup and the affinity mask allow
  int min_workers = 1;            ///< default: max_workers
  Duration idle_timeout{60'000};  ///< of workers above min_workers; 0 = they stay
  Duration spawn_interval{0};     ///< least time between two spawns; 0 = none
  Duration start_timeout{60'000};
  Duration respawn_backoff_min{100};
  Duration respawn_backoff_max{30'000};
  int max_start_failures = 5;

  int max_reqs_per_child = 100;  ///< 0 = never recycled by count
  double max_reqs_per_child_jitter = 0.1;
  Duration max_lifetime{0};  ///< 0 = off; never cuts a running job
  bool preload = false;      ///< workers are forked from a template

  Duration time_limit{0};                            ///< 0 = none
  Duration soft_time_limit{0};                       ///< 0 = none
  Duration slow_job_threshold{0};                    ///< 0 = off
  Duration graceful_shutdown_timeout{20'000};        ///< 0 = abort at once; kInfinite = never
  std::optional<Duration> graceful_restart_timeout;  ///< absent = graceful_shutdown_timeout
  Duration abort_timeout{5'000};
  StopSignal stop_signal = StopSignal::kAuto;
  int max_surge = 1;        ///< workers above max_workers during a restart
  int max_unavailable = 0;  ///< workers below max_workers during a restart

  std::optional<int> prefetch;  ///< absent = auto
  Duration dequeue_interval{1'000};
  Duration lease_time{60'000};
  int max_attempts = 3;
  Backoff retry_backoff;
  Duration dead_letter_retention{std::chrono::hours(24 * 30)};
  Duration result_ttl{std::chrono::hours(1)};
  int max_aborts = 10;

  PayloadKind payload = PayloadKind::kJson;
  std::size_t max_line = std::size_t{16} << 20U;  ///< bytes
  std::string state_dir;                          ///< absolute
  LogOptions log;
  Duration max_timeout{0};    ///< how far a heartbeat may move a deadline; 0 = no extension
  Duration stall_timeout{0};  ///< 0 = off
  Duration exit_grace{5'000};
  Duration write_timeout{30'000};
  int max_violations = 100;         ///< 0 = off
  Duration ping_interval{300'000};  ///< how long a worker is idle before it is pinged; 0 = off
  bool kill_group = false;
  Channel channel = Channel::kStdio;
  StderrMode stderr_mode = StderrMode::kLog;
  GarbagePolicy stdout_garbage = GarbagePolicy::kTolerate;
  Mode mode = Mode::kProtocol;
  ExecOptions exec;
  LinesOptions lines;

  QueueOptions queue;
  std::map<std::string, TaskOptions> tasks;
  AdminOptions admin;

  [[nodiscard]] Duration restart_timeout() const {
    return graceful_restart_timeout.value_or(graceful_shutdown_timeout);
  }
  /// Marks are left out: where a value stands does not change what it says.
  friend bool operator==(const Profile&, const Profile&) = default;
};

}  // namespace workmand
