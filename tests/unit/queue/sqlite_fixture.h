// A queue file in a folder of its own, and a clock that only the test moves. Used by the tests of
// the driver `sqlite`; nothing here waits.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/queue/drivers/sqlite.h"

namespace workmand {

class SqliteFixture {
 public:
  SqliteFixture() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "workmand-sqlite-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
    settings.path = (folder_ / "q.db").string();
    settings.full_sync = false;
    settings.busy_timeout = Duration{0};
    settings.clock = [this] { return now; };
  }
  ~SqliteFixture() {
    queues_.clear();
    std::filesystem::remove_all(folder_);
  }
  SqliteFixture(const SqliteFixture&) = delete;
  SqliteFixture& operator=(const SqliteFixture&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  /// A connected instance that serves the task "T"; lives as long as the fixture.
  SqliteQueue& Open(Role role = Role::kConsumer) {
    auto queue = std::make_unique<SqliteQueue>(settings, role);
    queue->Connect();
    Serve(*queue, {"T"});
    return *queues_.emplace_back(std::move(queue));
  }
  static void Serve(Queue& queue, const std::vector<std::string>& tasks) {
    std::vector<Subscription> subscriptions;
    subscriptions.reserve(tasks.size());
    for (const std::string& task : tasks) subscriptions.push_back({task});
    queue.RegisterTasks(subscriptions);
  }
  std::vector<Job> Take(Queue& queue, std::size_t n = 10) const {
    std::vector<Job> jobs;
    queue.Dequeue(jobs, n, Duration{0}, waker);
    return jobs;
  }
  std::vector<std::string> TakePayloads(Queue& queue, std::size_t n = 10) const {
    std::vector<std::string> payloads;
    for (const Job& job : Take(queue, n)) payloads.push_back(job.payload);
    return payloads;
  }
  std::vector<Reply> Collect(Queue& queue) const {
    std::vector<Reply> replies;
    queue.Collect(replies, Duration{0}, waker);
    return replies;
  }
  /// What one number in the file is, seen from outside.
  [[nodiscard]] std::int64_t Ask(const char* sql) const {
    sqlite::Database db({settings.path});
    sqlite::Query query(db, sql);
    return query.Next() ? query.Int(0) : -1;
  }

  sqlite::WallTime now{std::chrono::hours(480'000)};
  sqlite::Settings settings;
  Waker waker;

 private:
  std::filesystem::path folder_;
  std::vector<std::unique_ptr<SqliteQueue>> queues_;
};

inline Enqueue Work(std::string payload, std::string task = "T") {
  Enqueue job;
  job.task = std::move(task);
  job.payload = std::move(payload);
  return job;
}

inline Enqueue UniqueWork(std::string key, std::string payload = "") {
  Enqueue job = Work(std::move(payload));
  job.unique = std::move(key);
  return job;
}

inline Enqueue ForegroundWork(std::string payload = "") {
  Enqueue job = Work(std::move(payload));
  job.foreground = true;
  return job;
}

inline Update Settlement(const Job& job, Update::Kind kind, std::string bytes = "") {
  Update update;
  update.token = job.token;
  update.kind = kind;
  update.bytes = std::move(bytes);
  return update;
}

inline Applied Apply(Queue& queue, const Update& update) {
  Applied answer = Applied::kUnsupported;
  queue.Apply({&update, 1}, {&answer, 1});
  return answer;
}

inline Applied Done(Queue& queue, const Job& job, std::string result = "") {
  return Apply(queue, Settlement(job, Update::Kind::kDone, std::move(result)));
}

inline Applied FailForGood(Queue& queue, const Job& job, std::string error = "{}") {
  return Apply(queue, Settlement(job, Update::Kind::kFail, std::move(error)));
}

inline Applied FailAndRetry(Queue& queue, const Job& job, Duration delay) {
  Update update = Settlement(job, Update::Kind::kFail, "{}");
  update.retry = true;
  update.delay = delay;
  return Apply(queue, update);
}

}  // namespace workmand
