// Cases 39 to 45: what a job may ask of its queue.
#include <algorithm>
#include <array>
#include <thread>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

Enqueue MakeJob(const Bench& bench, std::string payload = "x") {
  Enqueue job;
  job.task = bench.Task();
  job.payload = std::move(payload);
  return job;
}

void PrioritiesInOrder(Bench& bench) {
  const auto producer = bench.Producer();
  for (const auto& [priority, payload] :
       {std::pair(Priority::kLow, "low"), std::pair(Priority::kNormal, "normal"),
        std::pair(Priority::kHigh, "high")}) {
    Enqueue job = MakeJob(bench, payload);
    job.priority = priority;
    producer->Put(job);
  }
  const auto consumer = bench.Consumer({bench.Task()});
  for (const char* payload : {"high", "normal", "low"}) {
    const Job job = consumer->TakeOne();
    Expect(job.payload == payload, "job " + job.payload + " came where " + payload + " was due");
    consumer->Done(job);
  }
}

void UniqueCoalesces(Bench& bench) {
  const auto producer = bench.Producer();
  const auto other = bench.Producer();
  Enqueue job = MakeJob(bench);
  job.unique = "k";
  const std::string id = producer->Put(job);
  Expect(other->Put(job) == id, "the same unique key got another id");
  job.unique = "another";
  Expect(other->Put(job) != id, "another unique key got the same id");
  const auto consumer = bench.Consumer({bench.Task()});
  const std::vector<Job> jobs = consumer->Take(2);
  Expect(jobs[0].unique == "k" || jobs[1].unique == "k", "the key did not come with the job");
  consumer->DoneAll(jobs);
  consumer->ExpectNothing("one unique key came as two jobs");
}

void UniqueWhileRunning(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  Enqueue job = MakeJob(bench);
  job.unique = "k";
  const std::string id = producer->Put(job);
  const Job running = consumer->TakeOne();
  const bool attached = producer->Put(job) == id;
  consumer->Done(running);
  if (attached) {
    bench.Remark("attaches to the running job");
    consumer->ExpectNothing("it attached to the running job and came again all the same");
  } else {
    bench.Remark("a second job");
    consumer->Done(consumer->TakeOne());
  }
}

void UniqueIsFreeAfterDone(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  Enqueue job = MakeJob(bench);
  job.unique = "k";
  for (int i = 0; i < 500; ++i) {
    job.payload = std::to_string(i);
    producer->Put(job);
    const Job taken = consumer->TakeOne();
    Expect(taken.payload == job.payload, "job " + job.payload + " vanished into the one before");
    consumer->Done(taken);
  }
}

void DelayIsKept(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  Enqueue job = MakeJob(bench);
  job.delay = Duration{500};
  const Stopwatch watch;
  producer->Put(job);
  consumer->ExpectNothing("a delayed job came early");
  const Job late = consumer->TakeOne();
  const Duration took = watch.Elapsed();
  Expect(took >= Duration{490},
         "the job came early, after " + std::to_string(took.count()) + " ms");
  Expect(took <= Duration{500} + bench.caps().time_step + kAtOnce,
         "the job came late, after " + std::to_string(took.count()) + " ms");
  bench.Remark(std::to_string(took.count()) + " ms for 500");
  consumer->Done(late);
}

void DelayedJobWakes(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  Enqueue job = MakeJob(bench);
  job.delay = Duration{400};
  producer->Put(job);
  // One call, long before the job is due: it must end when the job is.
  const Stopwatch watch;
  const std::vector<Job> jobs = consumer->Fetch(1, kPatience);
  ExpectEqual(jobs.size(), 1, "jobs of one long wait");
  Expect(watch.Elapsed() <= Duration{400} + bench.caps().time_step + kAtOnce,
         "the wait ended long after the job was due");
  consumer->Done(jobs[0]);
}

void WhatItCannotItRefuses(Bench& bench) {
  struct Option {
    Cap cap;
    const char* name;
    void (*set)(Enqueue&);
  };
  constexpr auto kOptions = std::to_array<Option>({
      {Cap::kPriority, "a priority", [](Enqueue& job) { job.priority = Priority::kHigh; }},
      {Cap::kUnique, "a unique key", [](Enqueue& job) { job.unique = "k"; }},
      {Cap::kDelay, "a delay", [](Enqueue& job) { job.delay = Duration{1'000}; }},
      {Cap::kMaxAttempts, "max_attempts", [](Enqueue& job) { job.max_attempts = 7; }},
      {Cap::kForeground, "foreground", [](Enqueue& job) { job.foreground = true; }},
  });
  const auto producer = bench.Producer();
  std::string refused;
  for (const Option& option : kOptions) {
    if (bench.caps().Has(option.cap)) continue;
    Enqueue job = MakeJob(bench);
    option.set(job);
    try {
      producer->Put(job);
      throw CaseFailed(std::string(option.name) + " was silently ignored");
    } catch (const Rejected&) {
      refused += (refused.empty() ? "" : ", ") + std::string(option.name);
    }
  }
  if (refused.empty()) throw DoesNotApply("the driver can do all");
  bench.Remark("refuses " + refused);
}

constexpr auto kCases = std::to_array<Case>({
    {39, "high before normal before low", Needs(Cap::kPriority), PrioritiesInOrder},
    {40, "the same unique key is one job", Needs(Cap::kUnique), UniqueCoalesces},
    {41, "the same unique key while it runs", Needs(Cap::kUnique), UniqueWhileRunning},
    {42, "a unique key is free right after done", Needs(Cap::kUnique), UniqueIsFreeAfterDone},
    {43, "a delay is kept", Needs(Cap::kDelay), DelayIsKept},
    {44, "a delayed job ends a blocked dequeue", Needs(Cap::kDelay), DelayedJobWakes},
    {45, "what it cannot do it refuses", kAnyDriver, WhatItCannotItRefuses},
});

}  // namespace

std::span<const Case> OptionCases() {
  return kCases;
}

}  // namespace workmand::conformance
