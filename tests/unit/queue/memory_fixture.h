// A MemoryStore with one consumer and one producer, for the tests; the time is an argument.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "daemon/queue/drivers/memory_store.h"

namespace workmand {

inline constexpr TimePoint kT0{};

inline MemoryTime At(Duration since_start) {
  return {kT0 + since_start, 1'000'000 + since_start.count()};
}

/// A store with one consumer of the tasks "a" and "b", and one producer.
struct MemoryFixture {
  MemoryStore store;
  MemoryStore::Session consumer;
  MemoryStore::Session producer;

  MemoryFixture() {
    store.Enter(consumer);
    store.Enter(producer);
    const std::array<Subscription, 2> tasks{Subscription{"a"}, Subscription{"b"}};
    store.Subscribe(consumer, tasks);
  }
  ~MemoryFixture() {
    store.Leave(consumer);
    store.Leave(producer);
  }
  MemoryFixture(const MemoryFixture&) = delete;
  MemoryFixture& operator=(const MemoryFixture&) = delete;

  std::string Put(const Enqueue& job, Duration at = Duration{0}) {
    return store.Put(producer, job, At(at));
  }
  std::string Put(std::string task, std::string payload) {
    Enqueue job;
    job.task = std::move(task);
    job.payload = std::move(payload);
    return Put(job);
  }
  std::vector<Job> Take(std::size_t n, Duration at = Duration{0}) {
    std::vector<Job> jobs;
    (void)store.Take(consumer, n, jobs, kT0 + at);
    return jobs;
  }
  Applied Apply(const Update& update, Duration at = Duration{0}) {
    std::array<Applied, 1> answers{};
    store.Apply(consumer, {&update, 1}, answers, At(at));
    return answers[0];
  }
};

inline Update Settle(Token token, Update::Kind kind) {
  Update update;
  update.token = token;
  update.kind = kind;
  return update;
}

inline std::string Payloads(const std::vector<Job>& jobs) {
  std::string all;
  for (const Job& job : jobs) all += job.payload;
  return all;
}

}  // namespace workmand
