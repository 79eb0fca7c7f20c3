// The loop of the jobs: lines in, one outcome for each job. Part of workman/worker.hpp.
#pragma once

#include "workman/worker.hpp"
#include "workman/worker_tasks.hpp"

namespace workman {

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
