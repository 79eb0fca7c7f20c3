// What a worker in C++ is made of: tasks, their options and hooks, what they return and throw.
// Include workman/worker.hpp.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/json_text.h"

namespace workman {

using nlohmann::json;
using Milliseconds = std::chrono::milliseconds;

/// Bytes that are not JSON; they travel as base64.
struct Bytes {
  std::string data;
};
/// A result that is JSON text already; the worker does not look into it.
struct Raw {
  std::string text;
};

/// The job failed. What of it is set goes to the queue with the message.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
  std::string code;
  json data;
  std::optional<bool> retry;
  std::optional<Milliseconds> delay;
};
/// Try again after `wait` (none: the back-off), never beyond max_attempts.
struct Retry : Failure {
  explicit Retry(const std::string& message, std::optional<Milliseconds> wait = {})
      : Failure(message) {
    retry = true;
    delay = wait;
  }
};
/// No further try can help.
struct Permanent : Failure {
  explicit Permanent(const std::string& message, std::string error_code = {}, json more = {})
      : Failure(message) {
    retry = false;
    code = std::move(error_code);
    data = std::move(more);
  }
};
/// Not done, give it back: no attempt is counted. Without `requeue` the policy decides.
struct Abort : std::exception {
  explicit Abort(std::string why = "given back by the task", std::optional<bool> back = {},
                 std::optional<Milliseconds> wait = {})
      : reason(std::move(why)), requeue(back), delay(wait) {}
  [[nodiscard]] const char* what() const noexcept override { return reason.c_str(); }
  std::string reason;
  std::optional<bool> requeue;
  std::optional<Milliseconds> delay;
};
/// The daemon did not take an enqueue_now().
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Thrown by what a job calls of its Job once SIGABRT has come; no std::exception, so that a catch
/// of those does not hide it. `reason` is "timeout", "shutdown" or "revoked".
struct ForceKilled {
  std::string reason = "shutdown";
};

/// Waits between attempts: `first`, or growing from `first` to `most`.
struct Backoff {
  Milliseconds first{0};
  Milliseconds most{0};
};
/// What `ready` announces of a task; the profile wins. Zero and empty: not announced.
struct Options {
  Milliseconds timeout{0};
  Milliseconds stall{0};
  int max_attempts = 0;
  int limit = 0;  ///< how many of it may run at once in the pool
  Backoff backoff{};
  std::string payload{};  ///< "json", "text" or "base64"
  std::string policy{};   ///< of an abort that no hook decides: "requeue", "fail" or "drop"
  std::string desc{};
};

/// For enqueue().
struct EnqueueOptions {
  Milliseconds delay{0};
  std::string priority{};  ///< "high", "normal" or "low"
  std::string unique{};    ///< a job with the key of a waiting one is not added
  int max_attempts = 0;
};

namespace detail {

inline bool IsFinite(const json& value) {
  if (value.is_number_float()) return std::isfinite(value.get<double>());
  if (!value.is_structured()) return true;
  for (const json& element : value) {
    if (!IsFinite(element)) return false;
  }
  return true;
}

struct Unserialisable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws when JSON cannot say it: nlohmann writes NaN as null, and refuses what is not UTF-8.
inline std::string Dump(const json& value) {
  std::string text;
  try {
    text = value.dump();
  } catch (const json::exception& error) {
    throw Unserialisable(error.what());
  }
  if (text.find("null") != std::string::npos && !IsFinite(value)) {
    throw Unserialisable("NaN and infinity are not JSON");
  }
  return text;
}

inline void AppendMember(std::string& out, std::string_view key, std::string_view raw) {
  out += ",\"";
  out += key;
  out += "\":";
  out += raw;
}
inline void AppendText(std::string& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  AppendMember(out, key, {});
  protocol::AppendString(out, text);
}
inline void AppendCount(std::string& out, std::string_view key, std::int64_t number) {
  if (number != 0) AppendMember(out, key, std::to_string(number));
}
inline void AppendBytes(std::string& out, std::string_view key, std::string_view bytes) {
  AppendMember(out, std::string(key) + "_b64", "\"");
  protocol::AppendBase64(out, bytes);
  out += '"';
}
inline void AppendEnqueueOptions(std::string& out, const EnqueueOptions& options) {
  AppendCount(out, "delay_ms", options.delay.count());
  AppendText(out, "priority", options.priority);
  AppendText(out, "unique", options.unique);
  AppendCount(out, "max_attempts", options.max_attempts);
}

}  // namespace detail

/// A value on its way out, as the member that carries it: `,"result":…` or `,"result_b64":"…"`.
class Value {
 public:
  Value() = default;
  Value(const Bytes& bytes) : bytes_(true), text_(bytes.data) {}
  Value(Raw raw) : text_(std::move(raw.text)) {}
  template <typename T>
  requires(!std::is_same_v<T, Value> && std::is_constructible_v<json, const T&>)
      Value(const T& value)
      : text_(detail::Dump(json(value))) {}

  void Append(std::string& out, std::string_view key) const {
    if (bytes_) {
      detail::AppendBytes(out, key, text_);
    } else {
      detail::AppendMember(out, key, text_.empty() ? "null" : std::string_view(text_));
    }
  }
  [[nodiscard]] bool IsNull() const { return !bytes_ && (text_.empty() || text_ == "null"); }

 private:
  bool bytes_ = false;
  std::string text_;  ///< empty and not bytes: null
};

class Job;

/// One task; the setters return it, so that they can be chained.
class Task {
 public:
  using AbortHook = std::function<std::optional<bool>(Job&, const ForceKilled&)>;

  Task(std::string name, Options options, std::function<Value(Job&)> run)
      : name_(std::move(name)), options_(std::move(options)), run_(std::move(run)) {}

  Task& on_start(std::function<void(Job&)> hook) { return Set(start_, std::move(hook)); }
  Task& on_done(std::function<void(Job&)> hook) { return Set(done_, std::move(hook)); }
  /// The text is the error's message.
  Task& on_fail(std::function<void(Job&, const std::string&)> hook) {
    return Set(fail_, std::move(hook));
  }
  /// Of a job that SIGABRT interrupted. What it returns says whether the job goes back: true,
  /// false (it went back by the hook), or nothing at all: the policy.
  template <typename Hook>
  Task& on_abort(Hook hook) {
    abort_ = [hook = std::move(hook)](Job& job, const ForceKilled& why) -> std::optional<bool> {
      if constexpr (std::is_void_v<std::invoke_result_t<Hook, Job&, const ForceKilled&>>) {
        hook(job, why);
        return std::nullopt;
      } else {
        return hook(job, why);
      }
    };
    return *this;
  }

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  friend class Worker;

  template <typename T>
  Task& Set(T& hook, T value) {
    hook = std::move(value);
    return *this;
  }

  /// What `ready` says of it.
  [[nodiscard]] std::string Announcement() const {
    std::string out = "{\"name\":";
    protocol::AppendString(out, name_);
    const std::size_t bare = out.size();
    detail::AppendCount(out, "timeout_ms", options_.timeout.count());
    detail::AppendCount(out, "stall_ms", options_.stall.count());
    detail::AppendCount(out, "max_attempts", options_.max_attempts);
    detail::AppendCount(out, "limit", options_.limit);
    if (const Backoff& wait = options_.backoff; wait.first.count() > 0) {
      std::string inside = wait.most.count() > 0 ? R"({"kind":"exp")" : R"({"kind":"const")";
      detail::AppendCount(inside, "base_ms", wait.first.count());
      detail::AppendCount(inside, "max_ms", wait.most.count());
      detail::AppendMember(out, "backoff", inside + "}");
    }
    detail::AppendText(out, "payload", options_.payload);
    detail::AppendText(out, "on_abort", options_.policy);
    detail::AppendText(out, "desc", options_.desc);
    if (out.size() == bare) return out.substr(8);  // The name alone, as a string.
    return out + "}";
  }

  std::string name_;
  Options options_;
  std::function<Value(Job&)> run_;
  std::function<void(Job&)> start_;
  std::function<void(Job&)> done_;
  std::function<void(Job&, const std::string&)> fail_;
  AbortHook abort_;
};

}  // namespace workman
