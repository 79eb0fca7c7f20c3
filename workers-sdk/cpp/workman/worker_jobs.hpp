// The loop of the jobs: exactly one outcome for each. Part of workman/worker.hpp.
#pragma once

#include "workman/worker.hpp"

namespace workman {

namespace detail {

/// The name of a type as it is written, without "workman::detail::" of ours.
inline std::string TypeName(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type.name();
}

}  // namespace detail

template <typename F>
std::function<Value(Job&)> Worker::Wrap(F function) {
  return [function = std::move(function)](Job& job) mutable -> Value {
    const auto call = [&]() -> decltype(auto) {
      if constexpr (std::is_invocable_v<F&, Job&>) {
        return function(job);
      } else if constexpr (std::is_invocable_v<F&, const json&, Job&>) {
        return function(job.args(), job);
      } else {
        return function(job.args());
      }
    };
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      return {};
    } else {
      return call();
    }
  };
}

template <typename T>
Task& Worker::add(T object) {
  const auto self = std::make_shared<T>(std::move(object));
  std::string name;
  if constexpr (requires { std::string(T::name); }) {
    name = T::name;
  } else {
    name = detail::TypeName(typeid(T));
    name = name.substr(name.rfind(':') + 1);
  }
  Options options;
  if constexpr (requires { Options(T::options); }) options = T::options;
  Task& made = [&]() -> Task& {
    if constexpr (requires(Job & job) { self->run(job); }) {
      return task(name, options, [self](Job& job) { return self->run(job); });
    } else if constexpr (requires(Job & job) { self->run(job.args(), job); }) {
      return task(name, options,
                  [self](const json& args, Job& job) { return self->run(args, job); });
    } else {
      return task(name, options, [self](const json& args) { return self->run(args); });
    }
  }();
  if constexpr (requires(Job & job) { self->on_start(job); }) {
    made.on_start([self](Job& job) { self->on_start(job); });
  }
  if constexpr (requires(Job & job) { self->on_done(job); }) {
    made.on_done([self](Job& job) { self->on_done(job); });
  }
  if constexpr (requires(Job & job, std::string text) { self->on_fail(job, text); }) {
    made.on_fail([self](Job& job, const std::string& text) { self->on_fail(job, text); });
  }
  if constexpr (requires(Job & job, ForceKilled why) { self->on_abort(job, why); }) {
    made.on_abort([self](Job& job, const ForceKilled& why) { return self->on_abort(job, why); });
  }
  return made;
}

inline Task& Worker::Add(std::unique_ptr<Task> task) {
  Task& made = *task;
  by_name_[made.name()] = &made;
  std::erase_if(tasks_, [&](const auto& other) { return other->name() == made.name(); });
  tasks_.push_back(std::move(task));
  return made;
}

inline void Worker::load(const std::string& path) {
  loader([path](Worker& worker) {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* entry = library != nullptr ? ::dlsym(library, "workman_tasks") : nullptr;
    if (entry == nullptr) throw std::runtime_error(::dlerror());
    reinterpret_cast<void (*)(Worker&)>(entry)(worker);
  });
}

inline int Worker::Serve() try {
  jobs_thread_ = std::this_thread::get_id();
  for (const auto& load : loaders_) load(*this);
  if (tasks_.empty()) {
    detail::Note("there is no task: nothing was given to task()");
    return kConfigError;
  }
  for (const auto& hook : boot_) hook();
  SendReady();
  SetState(State::kIdle);
  auto& lines = channel_.lines();
  while (true) {
    while (!lines.empty()) {
      const std::string line = std::move(lines.front());
      lines.pop_front();
      Handle(line);
    }
    const bool last =
        drain_;  // Looked at before the read: what came before the signal is answered.
    const bool more = channel_.Fill(last || channel_.eof() ? 0 : -1);
    if (lines.empty() && (channel_.eof() || (last && !more))) break;
  }
  SetState(State::kLeaving);
  for (const auto& hook : exit_) hook();
  return 0;
} catch (const std::exception& error) {
  detail::Note(detail::TypeName(typeid(error)) + ": " + error.what());
  return 1;
}

inline void Worker::SetState(State state) {
  const std::lock_guard lock(state_mutex_);
  state_ = state;
}

inline void Worker::SendReady() {
  std::string line = R"({"type":"ready","proto":1,"pid":)" + std::to_string(::getpid());
  line += R"(,"signals":["TERM","ABRT"],"sdk":{"name":"workman-cpp","version":")";
  line.append(kVersion).append(R"(","lang":"c++ )").append(std::to_string(__cplusplus));
  line += R"("},"features":["enqueue","extend")";
  if (hear_cancel_) line += R"(,"cancel")";
  line += R"(],"tasks":[)";
  for (const auto& task : tasks_) {
    if (line.back() != '[') line += ',';
    line += task->Announcement();
  }
  channel_.Send(line + "]}\n");
}

inline void Worker::Handle(const std::string& line) {
  protocol::Object message;
  const protocol::JsonError error = protocol::Object::Parse(line, message);
  if (error == protocol::JsonError::kNone || error == protocol::JsonError::kTooManyMembers) {
    const auto type = protocol::ReadString(message.Find("type")).value_or("");
    if (type == "job") {
      Take(message);
    } else if (type == "shutdown") {
      refuse_ = true;
    } else if (type == "hello") {
      max_line_ = protocol::ReadInt(message.Find("max_line")).value_or(0);
      config_ = json::parse(message.Find("config"), nullptr, false);
      if (config_.is_discarded()) config_ = json::object();
      if (protocol::ReadInt(message.Find("proto_min")).value_or(1) > 1) {
        detail::Note("the daemon speaks no version 1 of the protocol");
        ::_exit(kConfigError);
      }
    }
    return;
  }
  if (line.find_first_not_of(" \t\r") == std::string::npos) return;
  detail::Note("a line that cannot be read: " + line.substr(0, 100));
  // A job whose arguments are bad, or nest too deep, is answered all the same.
  constexpr std::string_view kStart = R"({"type":"job","id":")";
  const std::size_t last = line.find_last_not_of(" \t\r");
  if (!line.starts_with(kStart) || line[last] != '}') return;
  const std::string id = line.substr(kStart.size(), line.find('"', kStart.size()) - kStart.size());
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0; };
  if (id.empty() || !std::all_of(id.begin(), id.end(), plain)) return;
  const std::string why = error == protocol::JsonError::kDepth ? "the arguments nest too deep"
                                                               : "the arguments cannot be read";
  channel_.Send(R"({"type":"fail","id":")" + id + R"(","error":{"message":")" + why +
                R"(","code":"unreadable_args"}})" + "\n");
}

inline void Worker::Answer(const Job& job, std::string_view kind, std::string_view rest) {
  channel_.Send(Outcome(job, kind, rest, false));
}

inline void Worker::Take(const protocol::Object& message) {
  Job job(channel_);
  if (!job.Read(message)) {
    detail::Note("a job that cannot be read");
    if (!job.id_.empty()) {
      Answer(job, "fail", R"(,"error":{"message":"not base64","code":"unreadable_args"})");
    }
    return;
  }
  if (drain_ || refuse_) {
    Answer(job, "abort", kStopping);
    return;
  }
  const auto found = by_name_.find(job.task());
  if (found == by_name_.end()) {
    std::string rest = R"(,"error":{"message":)";
    protocol::AppendString(rest, "no task '" + job.task() + "' here");
    Answer(job, "fail", rest + R"(,"code":"task_not_found"})");
    return;
  }
  job.config_ = config_;
  job.look_ = [this, &job] { return IsCancelled(job); };
  job.ask_ = [this, &job](const std::string& spec) { return EnqueueNow(job, spec); };
  Work(job, *found->second);
}

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

/// Looks at what has come, and leaves it where it is.
inline bool Worker::IsCancelled(Job& job) {
  if (std::this_thread::get_id() != jobs_thread_ || !channel_.supervised()) return false;
  channel_.Fill(0);
  for (const std::string& line : channel_.lines()) {
    if (line.find("\"cancel\"") == std::string::npos) continue;
    protocol::Object message;
    if (protocol::Object::Parse(line, message) != protocol::JsonError::kNone) continue;
    if (protocol::ReadString(message.Find("type")) == "cancel" &&
        protocol::ReadString(message.Find("id")) == job.id()) {
      cancel_reason_ = protocol::ReadString(message.Find("reason")).value_or("shutdown");
    }
  }
  return !cancel_reason_.empty();
}

inline json Worker::EnqueueNow(Job& job, const std::string& spec) {
  if (std::this_thread::get_id() != jobs_thread_ || !channel_.supervised()) {
    throw Refused("a reply comes only to a worker of a daemon, and to the thread of the task");
  }
  const std::string ref = "r" + std::to_string(++refs_);
  channel_.Send(R"({"type":"enqueue",)" + spec + R"(,"ref":")" + ref + "\"}\n");
  auto& lines = channel_.lines();
  for (std::size_t seen = 0;; channel_.Fill(-1)) {
    for (; seen < lines.size(); ++seen) {
      if (lines[seen].find("\"reply\"") == std::string::npos) continue;
      const json reply = json::parse(lines[seen], nullptr, false);
      if (!reply.is_object() || reply.value("type", "") != "reply") continue;
      if (reply.value("id", "") != ref) continue;
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(seen));
      if (reply.value("ok", false)) return reply.value("result", json());
      const json error = reply.value("error", json());
      throw Refused(error.is_object()   ? error.value("message", "no reason given")
                    : error.is_string() ? error.get<std::string>()
                                        : "no reason given");
    }
    job.check();
    if (channel_.eof()) throw Refused("the daemon has gone");
  }
}

}  // namespace workman
