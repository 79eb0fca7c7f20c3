// Runs one job and finds its one outcome. Part of workman/worker.hpp.
#pragma once

#include "workman/worker.hpp"
#include "workman/worker_tasks.hpp"

namespace workman {

/// The state decides what SIGABRT does meanwhile.
inline void Worker::Work(Job& job, Task& task) {
  {
    const std::lock_guard lock(state_mutex_);
    if (drain_) {  // A signal has come since the last look.
      Answer(job, "abort", kStopping);
      return;
    }
    state_ = State::kRunning;
    claimed_ = false;
    job_ = &job;
    task_ = &task;
  }
  cancel_reason_.clear();
  std::string outcome = Attempt(job, task);
  if (child_) ::_exit(0);  // A fork that came back from the task.
  {
    std::unique_lock lock(state_mutex_);
    if (state_ == State::kRunning) {
      state_ = State::kFinishing;
    } else {
      while (claimed_) claimed_changed_.wait(lock);  // The other thread ends the process.
      claimed_ = true;
      claimed_changed_.notify_all();
      lock.unlock();
      IsCancelled(job);
      outcome = Aborted(job, task);
    }
  }
  channel_.SendLast(outcome, job.closed_);
  SetState(State::kIdle);
}

inline std::string Worker::Attempt(Job& job, Task& task) try {
  for (const auto& hook : start_) hook(job);
  if (task.start_) task.start_(job);
  return Finished(job, task);
} catch (const abi::__forced_unwind&) {
  throw;
} catch (const Abort& error) {
  std::string rest;
  detail::AppendText(rest, "reason", error.reason);
  if (error.requeue) detail::AppendMember(rest, "requeue", *error.requeue ? "true" : "false");
  if (error.delay) detail::AppendMember(rest, "delay_ms", std::to_string(error.delay->count()));
  return Outcome(job, "abort", rest, false);
} catch (const ForceKilled& error) {
  return Outcome(job, "abort", R"(,"reason":"gave up")", false);
} catch (const detail::Unserialisable& error) {
  return Failed(job, task, &error, "unserialisable_result");
} catch (const std::exception& error) {
  return Failed(job, task, &error, {});
} catch (...) {
  return Failed(job, task, nullptr, {});
}

inline std::string Worker::Finished(Job& job, Task& task) {
  const Value result = task.run_(job);
  if (child_) ::_exit(0);
  for (const auto& hook : done_) hook(job);
  if (task.done_) task.done_(job);
  std::string rest;
  if (!result.IsNull()) result.Append(rest, "result");
  std::string outcome = Outcome(job, "done", rest, true);
  if (max_line_ > 0 && outcome.size() + 256 > static_cast<std::size_t>(max_line_)) {
    const Permanent error("the result has " + std::to_string(rest.size()) + " bytes, a line " +
                          std::to_string(max_line_));
    return Failed(job, task, &error, "result_too_large");
  }
  return outcome;
}

/// Called in a handler; `error` is null for an exception of another kind.
inline std::string Worker::Failed(Job& job, Task& task, const std::exception* error,
                                  std::string_view code) {
  const std::type_info& type =
      error != nullptr ? typeid(*error) : *abi::__cxa_current_exception_type();
  std::string text = error != nullptr ? error->what() : detail::TypeName(type);
  if (text.size() > 65536) text.resize(65536);
  try {
    for (const auto& hook : fail_) hook(job, text);
    if (task.fail_) task.fail_(job, text);
  } catch (const std::exception& wrong) {
    detail::Note("on_fail of " + job.task() + ": " + wrong.what());
  } catch (const ForceKilled&) {  // Work() looks at the state.
  }
  const auto* failure = dynamic_cast<const Failure*>(error);
  std::string rest = ",\"error\":{\"message\":";
  protocol::AppendString(rest, text);
  if (code.empty() && failure != nullptr) code = failure->code;
  detail::AppendText(rest, "code", code);
  detail::AppendText(rest, "class", detail::TypeName(type));
  if (failure != nullptr && !failure->data.is_null()) {
    detail::AppendMember(rest, "data",
                         failure->data.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  rest += '}';
  if (failure != nullptr && failure->retry) {
    detail::AppendMember(rest, "retry", *failure->retry ? "true" : "false");
  }
  if (failure != nullptr && failure->delay) {
    detail::AppendMember(rest, "delay_ms", std::to_string(failure->delay->count()));
  }
  return Outcome(job, "fail", rest, false);
}

/// The hook first, then the line: the hook may enqueue the job itself.
inline std::string Worker::Aborted(Job& job, Task& task) {
  job.StartHook();
  ForceKilled why{job.reason_};
  if (std::this_thread::get_id() == jobs_thread_ && !cancel_reason_.empty()) {
    why.reason = cancel_reason_;
  }
  std::optional<bool> requeue;
  try {
    for (const auto& hook : abort_) hook(job, why);
    if (task.abort_) requeue = task.abort_(job, why);
  } catch (const std::exception& wrong) {
    detail::Note("on_abort of " + job.task() + ": " + wrong.what());
  } catch (...) {
    detail::Note("on_abort of " + job.task() + " throws");
  }
  std::string rest = ",\"reason\":";
  protocol::AppendString(rest, "force killed (" + why.reason + ")");
  if (requeue) detail::AppendMember(rest, "requeue", *requeue ? "true" : "false");
  return Outcome(job, "abort", rest, true);
}

inline std::string Worker::Outcome(const Job& job, std::string_view kind, std::string_view rest,
                                   bool follow_ups) {
  std::string line = R"({"type":")";
  line.append(kind).append(R"(","id":")").append(job.id()).append("\"").append(rest);
  if (follow_ups && !job.follow_ups_.empty()) {
    line += ",\"enqueue\":[";
    for (const std::string& one : job.follow_ups_) {
      if (line.back() != '[') line += ',';
      line += one;
    }
    line += ']';
  }
  return line + "}\n";
}

}  // namespace workman
