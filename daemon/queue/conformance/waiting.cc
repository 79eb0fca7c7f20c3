// Cases 14 to 20: how a blocked dequeue ends, and that no job is lost by it. Also the load cases 58
// and 61.
#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

/// Runs `work` on a thread of its own; the destructor waits for its end.
class Background {
 public:
  template <typename Work>
  explicit Background(Work work) : thread_(std::move(work)) {}
  ~Background() {
    if (thread_.joinable()) thread_.join();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

 private:
  std::thread thread_;
};

void NewJobWakes(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->ExpectNothing("an empty queue returned a job");
  std::atomic<TimePoint::rep> put_at{0};
  const Background other([&] {
    std::this_thread::sleep_for(Duration{200});  // so that the consumer is in its wait
    put_at = Clock::now().time_since_epoch().count();
    producer->Put(bench.Task(), "x");
  });
  const Job job = consumer->TakeOne();
  const TimePoint put{TimePoint::duration{put_at.load()}};
  const auto late = std::chrono::duration_cast<Duration>(Clock::now() - put);
  Expect(late <= kAtOnce, "the job came " + std::to_string(late.count()) + " ms after it was put");
  bench.Remark(std::to_string(late.count()) + " ms");
  consumer->Done(job);
}

void WakeEndsTheWait(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  std::atomic<TimePoint::rep> woken_at{0};
  {
    const Background other([&] {
      std::this_thread::sleep_for(Duration{100});  // so that the consumer is in its wait
      woken_at = Clock::now().time_since_epoch().count();
      consumer->waker.Wake();
    });
    Expect(consumer->Fetch(1, kPatience).empty(), "an empty queue returned a job");
  }
  const TimePoint woken{TimePoint::duration{woken_at.load()}};
  const auto late = std::chrono::duration_cast<Duration>(Clock::now() - woken);
  Expect(late <= Duration{250}, "it returned " + std::to_string(late.count()) + " ms after it");
  Expect(consumer->waker.Take(), "the driver took the wake");
}

void NoJobIsLostByAWake(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (int i = 0; i < 20; ++i) {
    producer->Put(bench.Task(), std::to_string(i));
    consumer->waker.Wake();
    std::vector<Job> jobs = consumer->Fetch(1, kSilence);
    (void)consumer->waker.Take();
    if (jobs.empty()) jobs = consumer->Take(1);
    Expect(jobs[0].payload == std::to_string(i), "the wrong job came after a wake");
    consumer->Done(jobs[0]);
  }
}

void ManyWakes(Bench& bench) {
  constexpr std::size_t kJobs = 500;
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  std::atomic<bool> over{false};
  const Background wakes([&] {
    std::minstd_rand random(7);
    for (int i = 0; i < 1000 && !over; ++i) {
      consumer->waker.Wake();
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
    }
  });
  const Background puts([&] {
    for (std::size_t i = 0; i < kJobs; ++i) producer->Put(bench.Task(), std::to_string(i));
  });
  std::map<std::string, int> seen;
  const TimePoint deadline = After(Clock::now(), kPatience * 3);
  while (seen.size() < kJobs && Clock::now() < deadline) {
    const std::vector<Job> jobs = consumer->Fetch(16, kSilence);
    (void)consumer->waker.Take();
    for (const Job& job : jobs) ++seen[job.payload];
    consumer->DoneAll(jobs);
  }
  over = true;
  ExpectEqual(seen.size(), kJobs, "different jobs that came");
  for (const auto& [payload, times] : seen) {
    Expect(times == 1, "job " + payload + " came more than once");
  }
}

void WakeBeforeTheCall(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->waker.Wake();
  const Stopwatch watch;
  Expect(consumer->Fetch(1, kPatience).empty(), "an empty queue returned a job");
  Expect(watch.Elapsed() <= kAtOnce, "it waited though it was woken before");
  Expect(consumer->waker.Take(), "the driver took the wake");
}

void AfterAWakeTheQueueIsRead(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->waker.Wake();
  (void)consumer->Fetch(1, kPatience);
  (void)consumer->waker.Take();
  producer->Put(bench.Task(), "x");
  consumer->Done(consumer->TakeOne());
}

void FourConsumers(Bench& bench) {
  constexpr std::size_t kConsumers = 4;
  constexpr std::size_t kJobs = 400;
  const auto producer = bench.Producer();
  std::vector<Enqueue> batch(kJobs);
  for (std::size_t i = 0; i < kJobs; ++i) {
    batch[i].task = bench.Task();
    batch[i].payload = std::to_string(i);
  }
  std::vector<std::string> ids;
  std::vector<std::string> why;
  producer->queue().PutMany(batch, ids, why);
  ExpectEqual(ids.size(), kJobs, "ids that PutMany returned");

  std::mutex mutex;
  std::map<std::string, int> done;
  std::string error;
  const auto consume = [&] {
    try {
      const auto consumer = bench.Consumer({bench.Task()});
      for (;;) {
        const std::vector<Job> jobs = consumer->Fetch(8, Duration{500});
        if (jobs.empty()) return;
        consumer->DoneAll(jobs);
        const std::lock_guard lock(mutex);
        for (const Job& job : jobs) ++done[job.payload];
      }
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex);
      error = e.what();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kConsumers; ++i) threads.emplace_back(consume);
  for (std::thread& thread : threads) thread.join();
  Expect(error.empty(), "a consumer failed: " + error);
  ExpectEqual(done.size(), kJobs, "different jobs that were done");
  for (const auto& [payload, times] : done) {
    Expect(times == 1, "job " + payload + " was done more than once");
  }
}

void LargeBatch(Bench& bench) {
  constexpr std::size_t kJobs = 256;
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < kJobs; ++i) producer->Put(bench.Task(), std::to_string(i));
    const std::vector<Job> jobs = consumer->Take(kJobs);
    const std::vector<Update> updates = MakeDones(jobs);
    std::vector<Applied> answers(updates.size(), Applied::kLost);
    consumer->queue().Apply(updates, answers);
    const auto ok = std::count(answers.begin(), answers.end(), Applied::kOk);
    ExpectEqual(static_cast<std::size_t>(ok), kJobs, "updates answered ok");
  }
  consumer->ExpectNothing("a job that was done came again");
}

constexpr auto kCases = std::to_array<Case>({
    {14, "a new job wakes a blocked dequeue", Needs(Cap::kWait), NewJobWakes},
    {15, "a wake ends a blocked dequeue", kAnyDriver, WakeEndsTheWait},
    {16, "no job is lost by a wake", kAnyDriver, NoJobIsLostByAWake},
    {17, "1000 wakes during traffic", kAnyDriver, ManyWakes},
    {18, "a wake before the call ends it at once", kAnyDriver, WakeBeforeTheCall},
    {20, "after a wake the queue is read", kAnyDriver, AfterAWakeTheQueueIsRead},
    {58, "four consumers do each job once", Needs(Cap::kAtLeastOnce), FourConsumers},
    {61, "256 jobs and 256 settlements in one turn", kAnyDriver, LargeBatch},
});

}  // namespace

std::span<const Case> WaitingCases() {
  return kCases;
}

}  // namespace workmand::conformance
