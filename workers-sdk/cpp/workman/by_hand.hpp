// A worker that no daemon started: it says what it is, lists its tasks, or runs one. Part of
// workman/worker.hpp.
#pragma once

#include "workman/worker.hpp"

namespace workman {

inline int Worker::ByHand() {
  for (const auto& load : loaders_) load(*this);
  if (arguments_.size() == 1 && arguments_[0] == "--list") {
    for (const auto& task : tasks_) std::cout << task->name() << "\n";
    return 0;
  }
  if ((arguments_.size() == 2 || arguments_.size() == 3) && arguments_[0] == "--run") {
    return RunByHand(arguments_[1], arguments_.size() == 3 ? arguments_[2] : "null");
  }
  const bool wrong = !arguments_.empty() && arguments_[0] != "--help";
  (wrong ? std::cerr : std::cout)
      << program_ << " is a worker: workmand starts it and hands it jobs. In a profile:\n\n"
      << "  command: [" << program_ << "]\n\nBy hand:\n\n  " << program_
      << " --list             prints the names of its tasks\n  " << program_
      << " --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails\n";
  return wrong ? 64 : 0;
}

inline int Worker::RunByHand(const std::string& name, const std::string& text) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    std::cerr << "no task '" << name << "' here; --list tells which there are\n";
    return 1;
  }
  if (!protocol::IsJson(text)) {
    std::cerr << "the arguments are not JSON\n";
    return 1;
  }
  jobs_thread_ = std::this_thread::get_id();
  config_ = json::object();
  channel_.Show();
  for (const auto& hook : boot_) hook();
  Job job(channel_);
  job.id_ = "ByHand000000";
  job.task_ = name;
  job.args_text_ = text;
  job.config_ = config_;
  const json outcome = json::parse(Attempt(job, *found->second));
  for (const auto& hook : exit_) hook();
  if (const std::string type = outcome["type"]; type != "done") {
    const json error = outcome.value("error", json::object());
    std::cerr << type << ": " << error.value("message", outcome.value("reason", "")) << "\n";
    return 1;
  }
  for (const json& one : outcome.value("enqueue", json::array())) {
    std::cerr << "would enqueue " << one.dump() << "\n";
  }
  const json nothing;
  std::cout << outcome.value("result", outcome.value("result_b64", nothing)).dump() << "\n";
  return 0;
}

}  // namespace workman
