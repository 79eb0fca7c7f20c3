// Cases 60 and 62: no task starves behind another, and nothing grows.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/// Sanitizers keep freed memory for a while.
constexpr bool kMemoryTells = false;
#else
constexpr bool kMemoryTells = true;
#endif

/// Formats of other programs that have one line of jobs for all tasks of a queue.
constexpr auto kOneLine =
    std::to_array<std::string_view>({"resque", "sidekiq", "celery", "amqp", "beanstalkd",
                                     "theschwartz", "qudo", "q4m", "zeromq", "kafka"});

void NoTaskStarves(Bench& bench) {
  if (std::find(kOneLine.begin(), kOneLine.end(), bench.fixture().driver) != kOneLine.end()) {
    throw DoesNotApply("this queue has one line of jobs for all tasks");
  }
  constexpr std::size_t kBacklog = 500;
  // So many jobs of 10 ms are a second.
  constexpr std::size_t kMost = 100;
  const std::string other = bench.Task("b");
  const auto producer = bench.Producer();
  std::vector<Enqueue> backlog(kBacklog);
  for (Enqueue& job : backlog) job.task = bench.Task();
  std::vector<std::string> ids;
  std::vector<std::string> why;
  producer->queue().PutMany(backlog, ids, why);
  const auto consumer = bench.Consumer({bench.Task(), other});
  consumer->DoneAll(consumer->Take(4));
  producer->Put(other, "late");
  std::size_t before = 0;
  bool found = false;
  std::size_t left = kBacklog - 4 + 1;
  while (left > 0) {
    const std::vector<Job> jobs = consumer->Fetch(found ? 64 : 4, kPatience);
    Expect(!jobs.empty(), "the backlog did not come");
    consumer->DoneAll(jobs);
    left -= jobs.size();
    for (const Job& job : jobs) {
      if (job.task == other) found = true;
      if (!found) ++before;
    }
  }
  Expect(found, "the job of the other task did not come");
  const std::string text = std::to_string(before) + " of " + std::to_string(kBacklog - 4);
  Expect(before <= kMost, "a job waited for " + text + " jobs of another task");
  bench.Remark("after " + text + " jobs of the other task");
}

std::size_t OpenFiles() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

/// KiB.
std::size_t ResidentMemory() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

void Reconnects(Client& client, int count) {
  for (int i = 0; i < count; ++i) {
    client.queue().Disconnect();
    client.queue().Connect();
  }
}

void ManyJobs(Client& producer, Client& consumer, const std::string& task, std::size_t rounds) {
  constexpr std::size_t kBatch = 50;
  std::vector<Enqueue> batch(kBatch);
  for (Enqueue& job : batch) {
    job.task = task;
    job.payload = std::string(1'000, 'x');
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<std::string> ids;
    std::vector<std::string> why;
    producer.queue().PutMany(batch, ids, why);
    const std::vector<Job> jobs = consumer.Take(kBatch);
    const std::vector<Update> updates = MakeDones(jobs);
    std::vector<Applied> answers(updates.size(), Applied::kLost);
    consumer.queue().Apply(updates, answers);
  }
}

void NothingGrows(Bench& bench) {
  constexpr std::size_t kMostKib = 4'096;
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  // Caches and pools are full after this.
  ManyJobs(*producer, *consumer, bench.Task(), 20);
  Reconnects(*consumer, 10);
  const std::size_t files = OpenFiles();
  const std::size_t memory = ResidentMemory();
  Reconnects(*consumer, 50);
  ManyJobs(*producer, *consumer, bench.Task(), 100);
  ManyJobs(*producer, *consumer, bench.Task(), 20);
  Reconnects(*consumer, 50);
  const std::size_t now = ResidentMemory();
  const std::size_t grown = now > memory ? now - memory : 0;
  bench.Remark("6000 jobs and 100 reconnects: " + std::to_string(grown) + " KiB more");
  Expect(OpenFiles() <= files,
         "open files: " + std::to_string(OpenFiles()) + ", before it " + std::to_string(files));
  if (kMemoryTells) Expect(grown <= kMostKib, "memory grew by " + std::to_string(grown) + " KiB");
}

constexpr auto kCases = std::to_array<Case>({
    {60, "a backlog of one task does not delay another", kAnyDriver, NoTaskStarves},
    {62, "memory and open files do not grow", kAnyDriver, NothingGrows},
});

}  // namespace

std::span<const Case> SteadyCases() {
  return kCases;
}

}  // namespace workmand::conformance
