// The messages of the worker line protocol v1, as values. The contract, with every field's meaning,
// is docs/protocol.md; golden lines are in protocol/testdata/. Views point into the decoded line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace workman::protocol {

inline constexpr int kVersion = 1;
inline constexpr std::size_t kDefaultMaxLine = std::size_t{16} << 20U;
inline constexpr std::int64_t kMaxConcurrency = 1024;
inline constexpr std::int64_t kMaxPrefetch = 1024;

/// Bytes that travel either as raw JSON or as base64. `json` is a slice of JSON text; `base64` the
/// characters between the quotes, for DecodeBase64 alone. Both empty: absent.
struct Payload {
  std::string_view json;
  std::string_view base64;
  [[nodiscard]] bool absent() const { return json.empty() && base64.data() == nullptr; }
  [[nodiscard]] bool is_base64() const { return base64.data() != nullptr; }
};

// ---- worker to daemon ----

struct Backoff {
  bool exponential = true;
  std::int64_t base_ms = 0;
  std::int64_t max_ms = 0;  ///< 0 = not stated
  double jitter = 0;        ///< 0 to 1: the part that is subtracted at random
};

/// What a worker announces of one task. Absent members are nullopt.
struct AnnouncedTask {
  std::string name;
  std::optional<std::int64_t> timeout_ms;
  std::optional<std::int64_t> max_attempts;  ///< fits an int
  std::optional<Backoff> backoff;
  std::optional<std::string> payload;   ///< "json" | "text" | "base64"
  std::optional<std::string> on_abort;  ///< "requeue" | "fail" | "drop"
  std::optional<std::int64_t> stall_ms;
  std::optional<std::int64_t> limit;  ///< fits an int; 0 = none
};

struct Ready {
  bool any_task = false;  ///< tasks was "*"
  std::vector<AnnouncedTask> tasks;
  std::int64_t proto = kVersion;
  std::string sdk_name;
  std::string sdk_version;
  std::string sdk_lang;
  std::int64_t pid = 0;  ///< 0 = not stated
  bool handles_term = false;
  bool handles_abort = false;
  std::int64_t concurrency = 1;  ///< 1 to kMaxConcurrency
  std::int64_t prefetch = 0;     ///< 0 to kMaxPrefetch
  bool clamped = false;          ///< concurrency or prefetch was announced out of range (V20)
  std::vector<std::string> features;
  std::int64_t max_line = 0;  ///< 0 = not stated
  bool zygote = false;
};

/// A job that a worker wants enqueued.
struct JobSpec {
  std::string task;
  std::string args;  ///< raw JSON ("null" when absent), or decoded bytes when args_binary
  bool args_binary = false;
  std::string queue;
  std::int64_t delay_ms = 0;
  std::string priority;  ///< "" | "high" | "normal" | "low"
  std::string unique;
  std::int64_t max_attempts = 0;  ///< fits an int; 0 = not stated
};

struct Done {
  std::string_view id;
  Payload result;
  std::string_view enqueue;  ///< raw array of job specs, or empty (see ReadJobSpecs)
};

struct Fail {
  std::string_view id;
  std::string_view error;  ///< the raw error object, with a string member `message`
  std::optional<bool> retry;
  std::optional<std::int64_t> delay_ms;
  std::string_view enqueue;
};

struct Abort {
  std::string_view id;
  std::string reason;
  std::optional<bool> requeue;
  std::optional<std::int64_t> delay_ms;
  std::string_view enqueue;
};

struct Progress {
  std::string_view id;
  double done = 0;
  double total = 0;  ///< 0 = unknown
  std::string message;
};

struct Data {
  std::string_view id;
  Payload data;
  bool warn = false;
};

struct Log {
  std::string level;  ///< "trace" | "debug" | "info" | "warn" | "error" | "fatal"
  std::string message;
  std::string_view fields;  ///< raw object, or empty
  std::string_view id;      ///< may be empty
};

struct Heartbeat {
  std::string_view id;  ///< may be empty
  std::int64_t extend_ms = 0;
};

struct EnqueueRequest {
  JobSpec job;
  std::string ref;  ///< non-empty: a reply is owed
};

struct Retire {
  std::string reason;
};

struct Pong {
  std::string_view id;
};

using FromWorker = std::variant<Ready, Done, Fail, Abort, Progress, Data, Log, Heartbeat,
                                EnqueueRequest, Retire, Pong>;

// ---- daemon to worker ----

struct Hello {
  std::string daemon;  ///< "workmand/0.1.0"
  std::string profile;
  std::string worker;  ///< "thumbs-3"
  std::int64_t generation = 1;
  std::size_t max_line = kDefaultMaxLine;
  std::optional<std::int64_t> start_timeout_ms;
  std::optional<std::int64_t> graceful_timeout_ms;  ///< absent when it is infinite
  std::int64_t abort_timeout_ms = 5000;
  std::int64_t max_jobs = 0;
  std::vector<std::string> features;
  std::string config;  ///< raw JSON object, or empty
};

struct JobMessage {
  std::string_view id;
  std::string_view task;
  int attempt = 1;
  int max_attempts = 0;             ///< 0 = left out
  std::int64_t timeout_ms = 0;      ///< 0 = none
  std::int64_t deadline_at_ms = 0;  ///< Unix epoch; 0 = left out
  std::string_view args;            ///< raw JSON on one line, or bytes when args_binary
  bool args_binary = false;
  std::string_view driver;
  std::string_view queue;           ///< the queue's name for the task
  std::string_view job;             ///< the queue's own handle
  std::int64_t enqueued_at_ms = 0;  ///< 0 = left out
};

}  // namespace workman::protocol
