// The job as a task sees it. Part of workman/worker.hpp.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"
#include "workman/channel.hpp"
#include "workman/task.hpp"

namespace workman {

/// What a job is asked, and what it can say while it runs. Valid during the task's call and its
/// hooks. What it says may be said in any thread; cancelled() and enqueue_now() look at the input
/// only in the thread of the task. Once SIGABRT has come, every call that is marked so throws
/// ForceKilled: the way for the job to be interrupted, for C++ cannot throw into another thread.
class Job {
 public:
  using Clock = std::chrono::steady_clock;

  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::string& task() const { return task_; }
  /// The arguments, parsed at the first call; null when they came as bytes.
  const json& args() {
    if (!args_) args_ = bytes_ ? json() : json::parse(args_text_);
    return *args_;
  }
  /// The arguments as JSON text, which keeps every digit.
  [[nodiscard]] const std::string& args_text() const { return args_text_; }
  /// The arguments as bytes, if they came as such.
  [[nodiscard]] const std::optional<std::string>& args_bytes() const { return bytes_; }
  [[nodiscard]] std::int64_t attempt() const { return attempt_; }
  [[nodiscard]] std::optional<std::int64_t> max_attempts() const { return max_attempts_; }
  /// Epoch in milliseconds.
  [[nodiscard]] std::optional<std::int64_t> deadline() const { return deadline_; }
  /// The `config:` block of the profile.
  [[nodiscard]] const json& config() const { return config_; }
  /// Time left until the limit; none: no limit.
  [[nodiscard]] std::optional<Milliseconds> remaining() const {
    if (!ends_) return std::nullopt;
    return std::chrono::ceil<Milliseconds>(*ends_ - Clock::now());
  }

  /// Whether the daemon has given this job up. Does not throw.
  bool cancelled() { return killed_ || (look_ && look_()); }
  /// Throws ForceKilled once SIGABRT has come.
  void check() {
    if (!killed_) return;
    const std::lock_guard lock(mutex_);
    CheckLocked();
  }
  /// A sleep that SIGABRT ends with ForceKilled.
  template <typename Rep, typename Period>
  void sleep_for(std::chrono::duration<Rep, Period> time) {
    std::unique_lock lock(mutex_);
    interrupted_.wait_for(lock, time, [this] { return killed_.load(); });
    lock.unlock();
    check();
  }

  /// These throw ForceKilled as check() does; they are said at once.
  void progress(double done, std::optional<double> total = {}, std::string_view message = {}) {
    std::string rest = ",\"done\":" + detail::Dump(json(done));
    if (total) detail::AppendMember(rest, "total", detail::Dump(json(*total)));
    detail::AppendText(rest, "message", message);
    Say("progress", rest);
  }
  /// A part of the result, where the queue can.
  void data(const Value& value, bool warn = false) {
    std::string rest;
    value.Append(rest, "data");
    if (warn) rest += ",\"warn\":true";
    Say("data", rest);
  }
  void log(std::string_view message, std::string_view level = "info", const json& fields = {}) {
    std::string rest;
    detail::AppendText(rest, "level", level);
    detail::AppendMember(rest, "message", {});
    protocol::AppendString(rest, message);
    if (!fields.is_null()) detail::AppendMember(rest, "fields", detail::Dump(fields));
    Say("log", rest);
  }
  /// The job is alive; moves the time limit by `extend`.
  void heartbeat(Milliseconds extend = Milliseconds(0)) {
    std::string rest;
    detail::AppendCount(rest, "extend_ms", extend.count());
    Say("heartbeat", rest);
    if (ends_) *ends_ += extend;
  }
  /// A new job that goes onto the queue together with this job's outcome `done`, or, from
  /// on_abort, with the abort.
  void enqueue(std::string_view name, const Value& args = {}, const EnqueueOptions& options = {}) {
    std::string spec = "{" + Spec(name, args, options) + "}";
    const std::lock_guard lock(mutex_);
    CheckLocked();
    follow_ups_.push_back(std::move(spec));
  }
  /// A new job that goes onto the queue now. Returns what the queue said of it, or null; throws
  /// Refused.
  json enqueue_now(std::string_view name, const Value& args = {},
                   const EnqueueOptions& options = {}) {
    check();
    if (!ask_) throw Refused("a reply comes only to a worker of a daemon");
    return ask_(Spec(name, args, options));
  }

 private:
  friend class Worker;

  explicit Job(detail::Channel& channel) : channel_(channel) {}

  /// False: the message is no job that can be done.
  bool Read(const protocol::Object& message) {
    const auto text = [&](std::string_view key) { return protocol::ReadString(message.Find(key)); };
    const auto number = [&](std::string_view key) { return protocol::ReadInt(message.Find(key)); };
    const auto id = text("id");
    const auto task = text("task");
    if (!id || !task) return false;
    id_ = *id;
    task_ = *task;
    attempt_ = number("attempt").value_or(1);
    max_attempts_ = number("max_attempts");
    deadline_ = number("deadline_at");
    if (const auto limit = number("timeout_ms"); limit && *limit > 0) {
      ends_ = Clock::now() + Milliseconds(*limit);
    }
    args_text_ = message.Find("args");
    if (args_text_.empty()) args_text_ = "null";
    if (const auto base64 = text("args_b64")) {
      bytes_ = protocol::DecodeBase64(*base64);
      return bytes_.has_value();
    }
    return true;
  }

  static std::string Spec(std::string_view name, const Value& args, const EnqueueOptions& options) {
    std::string out = "\"task\":";
    protocol::AppendString(out, name);
    args.Append(out, "args");
    detail::AppendEnqueueOptions(out, options);
    return out;
  }

  void Say(std::string_view kind, std::string_view rest) {
    check();
    std::string line = R"({"type":")";
    line.append(kind).append(R"(","id":")").append(id_).append("\"").append(rest).append("}\n");
    channel_.Send(line, &closed_);
  }

  void CheckLocked() {
    if (killed_ && hook_thread_ != std::this_thread::get_id()) throw ForceKilled{reason_};
  }
  void Kill(const std::string& why) {
    const std::lock_guard lock(mutex_);
    reason_ = why;
    killed_ = true;
    interrupted_.notify_all();
  }
  /// From here on this thread alone, which runs on_abort, speaks for the killed job.
  void StartHook() {
    const std::lock_guard lock(mutex_);
    hook_thread_ = std::this_thread::get_id();
    follow_ups_.clear();
  }

  detail::Channel& channel_;
  std::string id_, task_, args_text_;
  std::optional<json> args_;
  std::optional<std::string> bytes_;
  json config_;
  std::int64_t attempt_ = 1;
  std::optional<std::int64_t> max_attempts_, deadline_;
  std::optional<Clock::time_point> ends_;
  std::vector<std::string> follow_ups_;
  std::function<bool()> look_;
  std::function<json(const std::string&)> ask_;
  std::atomic<bool> killed_ = false;
  bool closed_ = false;  ///< guarded by the channel's mutex
  std::mutex mutex_;     ///< guards what follows, and follow_ups_
  std::thread::id hook_thread_;
  std::condition_variable interrupted_;
  std::string reason_ = "shutdown";
};

}  // namespace workman
