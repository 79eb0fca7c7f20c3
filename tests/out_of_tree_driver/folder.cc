// The driver `folder`, as an example of one that is built on its own. Every job is a file below the
// folder of its task, and whoever has locked the file has the job: the lock of a process that dies
// is gone, and the job is there again.  queue: {driver: folder, path: /var/spool/jobs}
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/options.h"

namespace fs = std::filesystem;
using namespace workmand;  // NOLINT(google-build-using-namespace): a module of one file

static Caps FolderCaps() {
  return {Cap::kAtLeastOnce | Cap::kDurable | Cap::kInstantRequeue, 0};
}
static std::vector<QueueKeyError> CheckFolder(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, std::array<std::string_view, 1>{"path"}, errors);
  CheckValue("path", GetString(options, "path", ""), errors);
  if (!HasKey(options, "path")) errors.push_back({"path", "is missing"});
  return errors;
}
static bool Fits(const Enqueue& job) {
  return !job.task.empty() && !job.foreground && job.delay.count() == 0 && job.unique.empty() &&
         job.max_attempts == 0 && job.priority == Priority::kNormal;
}

class Folder final : public Queue {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}
  [[nodiscard]] Caps GetCaps() const override { return FolderCaps(); }
  void Connect() override { fs::create_directories(path_ / "new"); }
  void Disconnect() noexcept override { held_.clear(); }
  void RegisterTasks(std::span<const Subscription> tasks) override {
    folders_.clear();
    for (const Subscription& one : tasks) folders_.insert(FolderOf(one.task));
  }
  std::string Put(const Enqueue& job) override {
    if (!Fits(job)) throw Rejected("folder: no priority, unique key, delay, limit or result");
    std::string name = path_ / "new/XXXXXX";
    close(mkstemp(name.data()));
    std::ofstream file(name, std::ios::binary);
    if (!(file << job.task << '\0' << job.payload << std::flush)) throw ConnectionLost("disk full");
    const std::string id = std::to_string(time(nullptr)) + name.substr(name.size() - 6);
    fs::create_directories(FolderOf(job.task));
    fs::rename(name, FolderOf(job.task) / id);
    return id;
  }
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration wait, const Waker& waker) override {
    const TimePoint deadline = After(Clock::now(), wait);
    for (const std::size_t before = out.size(); n > 0;) {
      std::set<std::pair<std::size_t, fs::path>> files;  // the first of each task, the second, ...
      for (const fs::path& folder : folders_) {
        std::error_code none;
        const std::set<fs::path> names(fs::directory_iterator(folder, none), {});
        for (std::size_t i = 0; const fs::path& name : names) files.emplace(i++, name);
      }
      for (const auto& [rank, name] : files) {
        if (out.size() < before + n) Take(name, out);
      }
      const Duration left = std::min(Until(Clock::now(), deadline), Duration{50});
      if (out.size() > before || left.count() == 0) return;
      if (waker.Wait(-1, 0, left) == Waker::Why::kWoken) return;
    }
  }
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    for (const Update& update : updates) answers[&update - updates.data()] = ApplyOne(update);
  }

 private:
  fs::path FolderOf(const std::string& task) const {
    return path_ / std::to_string(std::hash<std::string>{}(task));
  }
  void Take(const fs::path& name, std::vector<Job>& out) {
    const std::shared_ptr<FILE> file(fopen(name.c_str(), "re"), [](FILE* f) { f&& fclose(f); });
    if (!file || flock(fileno(file.get()), LOCK_EX | LOCK_NB) != 0 || !fs::exists(name)) return;
    std::ifstream text(name, std::ios::binary);
    Job& job = out.emplace_back();
    std::getline(text, job.task, '\0');
    job.payload.assign(std::istreambuf_iterator<char>(text), {});
    job.id = name.filename();
    job.token = Token{++last_token_};
    held_[job.token.value] = {name, file};
  }
  Applied ApplyOne(const Update& update) {
    const auto job = held_.find(update.token.value);
    if (job == held_.end()) return Applied::kLost;
    if (update.kind > Update::Kind::kAbort) return Applied::kUnsupported;
    if (!std::all_of(update.enqueue.begin(), update.enqueue.end(), Fits)) return Applied::kRefused;
    for (const Enqueue& next : update.enqueue) Put(next);
    if (update.kind != Update::Kind::kAbort && !update.retry) fs::remove(job->second.first);
    held_.erase(job);
    return Applied::kOk;
  }
  fs::path path_;
  std::set<fs::path> folders_;
  std::map<std::uint64_t, std::pair<fs::path, std::shared_ptr<FILE>>> held_;
  std::uint64_t last_token_ = 0;
};

static Result<std::unique_ptr<Queue>> OpenFolder(const DriverConfig& config, Role /*role*/) {
  const std::string path = GetString(config.options, "path", "").value_or("");
  return std::make_unique<Folder>(fs::path(config.directory) / path);
}
WORKMAN_QUEUE_DRIVER("folder", FolderCaps, CheckFolder, OpenFolder)
