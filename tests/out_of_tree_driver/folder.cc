// The driver `folder`, as an example of one that is built on its own: every job is a file. Jobs of
// a process that dies stay in held/, which a real driver would have to clean up.
//   queue: {driver: folder, path: /var/spool/jobs}
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <unistd.h>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/options.h"

namespace {

using namespace workmand;  // NOLINT(google-build-using-namespace): a module of one file
namespace fs = std::filesystem;

Caps FolderCaps() {
  return {Cap::kAtLeastOnce | Cap::kDurable | Cap::kInstantRequeue, 0};
}

std::vector<QueueKeyError> CheckFolder(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, std::array<std::string_view, 1>{"path"}, errors);
  CheckValue("path", GetString(options, "path", ""), errors);
  if (!HasKey(options, "path")) errors.push_back({"path", "is missing"});
  return errors;
}

class Folder final : public Queue {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}
  ~Folder() override { Disconnect(); }
  [[nodiscard]] Caps GetCaps() const override { return FolderCaps(); }

  void Connect() override {
    std::error_code error;
    for (const char* name : {"new", "ready", "held"}) fs::create_directories(path_ / name, error);
    if (error) throw ConnectionLost(path_.string() + ": " + error.message());
  }
  void Disconnect() noexcept override {
    for (const auto& [token, name] : held_) Move("held", "ready", name);
    held_.clear();
  }
  void RegisterTasks(std::span<const Subscription> tasks) override {
    tasks_.clear();
    for (const Subscription& one : tasks) tasks_.insert(one.task);
  }

  std::string Put(const Enqueue& job) override {
    if (job.task.empty()) throw Rejected("a job needs a task");
    if (job.foreground || job.delay.count() > 0 || job.max_attempts > 0 || !job.unique.empty() ||
        job.priority != Priority::kNormal) {
      throw Rejected("a folder queue has no priority, unique key, delay, limit or result");
    }
    static std::atomic<unsigned> number{0};
    std::string name = std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) +
                       "." + std::to_string(getpid()) + "." + std::to_string(++number);
    std::ofstream file(path_ / "new" / name, std::ios::binary);
    file << job.task << '\0' << job.payload << std::flush;
    if (!file || !Move("new", "ready", name)) throw ConnectionLost("cannot write " + name);
    return name;
  }

  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
               const Waker& waker) override {
    const TimePoint deadline = After(Clock::now(), timeout);
    const std::size_t before = out.size();
    while (n > 0) {
      std::set<std::string> names;
      for (const auto& entry : fs::directory_iterator(path_ / "ready"))
        names.insert(entry.path().filename());
      for (const std::string& name : names) {
        std::ifstream file(path_ / "ready" / name, std::ios::binary);
        Job job;
        if (!std::getline(file, job.task, '\0') || !tasks_.contains(job.task)) continue;
        job.payload.assign(std::istreambuf_iterator<char>(file), {});
        if (!Move("ready", "held", name)) continue;  // somebody else was faster
        job.id = name;
        job.token = Token{++last_token_};
        held_[job.token.value] = name;
        out.push_back(std::move(job));
        if (out.size() - before == n) return;
      }
      const Duration left = std::min(Until(Clock::now(), deadline), Duration{50});
      if (out.size() > before || left.count() == 0 || waker.Wait(-1, 0, left) == Waker::Why::kWoken)
        return;
    }
  }

  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    for (std::size_t i = 0; i < updates.size(); ++i) answers[i] = ApplyOne(updates[i]);
  }

 private:
  Applied ApplyOne(const Update& update) {
    const auto job = held_.find(update.token.value);
    if (job == held_.end()) return Applied::kLost;
    if (update.kind > Update::Kind::kAbort) return Applied::kUnsupported;
    for (const Enqueue& next : update.enqueue) {
      if (next.task.empty()) return Applied::kRefused;
    }
    for (const Enqueue& next : update.enqueue) (void)Put(next);
    const bool back = update.kind == Update::Kind::kAbort || update.retry;
    const std::string name = job->second;
    held_.erase(job);
    return (back ? Move("held", "ready", name) : fs::remove(path_ / "held" / name))
               ? Applied::kOk
               : Applied::kLost;
  }
  bool Move(const char* from, const char* to, const std::string& name) const noexcept {
    std::error_code error;
    fs::rename(path_ / from / name, path_ / to / name, error);
    return !error;
  }

  fs::path path_;
  std::set<std::string> tasks_;
  std::map<std::uint64_t, std::string> held_;
  std::uint64_t last_token_ = 0;
};

Result<std::unique_ptr<Queue>> OpenFolder(const DriverConfig& config, Role /*role*/) {
  const auto path = GetString(config.options, "path", "");
  if (!path) return tl::unexpected(path.error());
  return std::make_unique<Folder>(fs::path(config.directory) / *path);
}

}  // namespace

WORKMAN_QUEUE_DRIVER("folder", FolderCaps, CheckFolder, OpenFolder)
