// Cases 1 to 13: what every queue must do, and which tasks it hands out.
#include <algorithm>
#include <array>
#include <set>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

void EmptyDequeueWaits(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->ExpectNothing("an empty queue returned a job");
  const Stopwatch watch;
  Expect(consumer->Fetch(1, Duration{100}).empty(), "an empty queue returned a job");
  const Duration took = watch.Elapsed();
  Expect(took >= Duration{90}, "it returned before its time-out of 100 ms");
  Expect(took <= kAtOnce, "it returned long after its time-out of 100 ms");
}

void NothingAskedReturnsAtOnce(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  const Stopwatch watch;
  Expect(consumer->Fetch(0, Duration{5'000}).empty(), "it returned a job");
  Expect(watch.Elapsed() < kAtOnce, "it waited");
}

void PayloadsAreBinarySafe(Bench& bench) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  const std::vector<std::string> payloads = {every_byte, std::string("\0\0", 2), "\n\xFF\n",
                                             R"({"a":"\u0000","b":[1,2]})"};
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (const std::string& payload : payloads) {
    producer->Put(bench.Task(), payload);
    const Job job = consumer->TakeOne();
    Expect(job.payload == payload, "a payload came back changed");
    Expect(job.task == bench.Task(), "the name of the task came back changed");
    consumer->Done(job);
  }
}

void PayloadSizes(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (const std::size_t size : {std::size_t{0}, std::size_t{1} << 20U}) {
    producer->Put(bench.Task(), std::string(size, 'x'));
    const Job job = consumer->TakeOne();
    ExpectEqual(job.payload.size(), size, "bytes of the payload");
    consumer->Done(job);
  }
  const std::size_t limit = bench.caps().max_payload;
  if (limit == 0) {
    bench.Remark("no limit");
    return;
  }
  if (limit > (std::size_t{64} << 20U)) {
    bench.Remark("the limit is too large to try");
    return;
  }
  try {
    producer->Put(bench.Task(), std::string(limit + 1, 'x'));
    throw CaseFailed("a payload over the limit was taken");
  } catch (const Rejected&) {
  }
  producer->Put(bench.Task(), "after");
  const Job job = consumer->TakeOne();
  Expect(job.payload == "after", "after a payload over the limit the wrong job came");
  consumer->Done(job);
}

void BatchInReverse(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task("a"), bench.Task("b")});
  for (int i = 0; i < 10; ++i) producer->Put(bench.Task(i % 2 == 0 ? "a" : "b"));
  std::vector<Job> jobs = consumer->Take(10);
  std::reverse(jobs.begin(), jobs.end());
  const std::vector<Update> updates = MakeDones(jobs);
  std::vector<Applied> answers(updates.size(), Applied::kLost);
  consumer->queue().Apply(updates, answers);
  const auto ok = std::count(answers.begin(), answers.end(), Applied::kOk);
  ExpectEqual(static_cast<std::size_t>(ok), 10, "updates answered ok");
  consumer->ExpectNothing("a job that was done came again");
}

void FirstInFirstOut(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (int i = 0; i < 50; ++i) producer->Put(bench.Task(), std::to_string(i));
  for (int i = 0; i < 50; ++i) {
    const Job job = consumer->TakeOne();
    Expect(job.payload == std::to_string(i), "job " + job.payload + " came out of order");
    consumer->Done(job);
  }
}

void IdsAreUniqueAndStable(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  std::set<std::string> put;
  for (int i = 0; i < 20; ++i) put.insert(producer->Put(bench.Task(), std::to_string(i)));
  ExpectEqual(put.size(), 20, "different ids");
  Expect(put.count("") == 0, "an id is empty");
  for (int round = 0; round < 2; ++round) {
    std::set<std::string> taken;
    const std::vector<Job> jobs = consumer->Take(20);
    for (const Job& job : jobs) taken.insert(job.id);
    Expect(taken == put, "the ids of the jobs are not those that Put returned");
    for (const Job& job : jobs) {
      if (round == 1) {
        consumer->Done(job);
      } else {
        Expect(consumer->Settle(job, Update::Kind::kAbort) == Applied::kOk, "an abort was not ok");
      }
    }
  }
}

void SecondDoneIsLost(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "1");
  producer->Put(bench.Task(), "2");
  const std::vector<Job> jobs = consumer->Take(2);
  consumer->Done(jobs[0]);
  Expect(consumer->Settle(jobs[0], Update::Kind::kDone) == Applied::kLost,
         "a second done was not answered lost");
  Expect(consumer->Apply(MakeUpdate(Token{~std::uint64_t{0} - 7}, Update::Kind::kDone)) ==
             Applied::kLost,
         "a done on a token never handed out was not answered lost");
  consumer->Done(jobs[1]);
  consumer->ExpectNothing("a job that was done came again");
}

void NamesOfTasks(Bench& bench) {
  const auto producer = bench.Producer();
  for (const std::string& suffix : {std::string("a:b"), std::string("with space"),
                                    std::string("\xC3\xBC\xE2\x82\xAC"), std::string(150, 'n')}) {
    const std::string task = bench.Task(suffix);
    const auto consumer = bench.Consumer({task});
    producer->Put(task, "x");
    const Job job = consumer->TakeOne();
    Expect(job.task == task, "the name of a task came back changed: " + suffix);
    consumer->Done(job);
  }
  try {
    producer->Put("", "x");
  } catch (const Rejected&) {
    return;
  }
  throw CaseFailed("a job without the name of a task was taken");
}

void UnregisteredTaskStays(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task("other")});
  producer->Put(bench.Task(), "x");
  consumer->ExpectNothing("a job of a task that is not registered came");
  consumer->Register({bench.Task("other"), bench.Task()});
  consumer->Done(consumer->TakeOne());
}

void RegisteringReplaces(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task("old")});
  consumer->Register({bench.Task("new")});
  producer->Put(bench.Task("old"), "x");
  consumer->ExpectNothing("a job of a task that is no longer registered came");
  producer->Put(bench.Task("new"), "y");
  consumer->Done(consumer->TakeOne());
  consumer->Register({bench.Task("old")});
  consumer->Done(consumer->TakeOne());
}

void RegistrationSurvivesReconnect(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->queue().Disconnect();
  consumer->queue().Connect();
  producer->Put(bench.Task(), "x");
  consumer->Done(consumer->TakeOne());
}

void TheSameTaskTwice(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task(), bench.Task()});
  producer->Put(bench.Task(), "x");
  consumer->Done(consumer->TakeOne());
  consumer->ExpectNothing("one job came twice");
}

constexpr auto kCases = std::to_array<Case>({
    {1, "an empty dequeue returns after its time-out", kAnyDriver, EmptyDequeueWaits},
    {2, "a dequeue of nothing returns at once", kAnyDriver, NothingAskedReturnsAtOnce},
    {3, "payloads are binary-safe", kAnyDriver, PayloadsAreBinarySafe},
    {4, "payloads may be empty, large, and not too large", kAnyDriver, PayloadSizes},
    {5, "a batch over two tasks is settled in any order", kAnyDriver, BatchInReverse},
    {6, "first in, first out", Needs(Cap::kOrdered), FirstInFirstOut},
    {7, "ids are unique and stable", kAnyDriver, IdsAreUniqueAndStable},
    {8, "a second done is lost", kAnyDriver, SecondDoneIsLost},
    {9, "names of tasks", kAnyDriver, NamesOfTasks},
    {10, "a task that is not registered stays", kAnyDriver, UnregisteredTaskStays},
    {11, "registering replaces the set", kAnyDriver, RegisteringReplaces},
    {12, "registration survives a reconnect", kAnyDriver, RegistrationSurvivesReconnect},
    {13, "the same task twice counts once", kAnyDriver, TheSameTaskTwice},
});

}  // namespace

std::span<const Case> BasicCases() {
  return kCases;
}

}  // namespace workmand::conformance
