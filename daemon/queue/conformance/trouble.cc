// Cases 53 and 55: a server that dies, and one that hangs.
#include <array>
#include <optional>
#include <set>
#include <thread>

#include "daemon/queue/conformance/kit.h"
#include "daemon/queue/conformance/processes.h"

namespace workmand::conformance {
namespace {

/// Takes and settles until these have come. Others may come between: a done that the server did not
/// hear of.
void TakeAll(Client& consumer, std::set<std::string> payloads) {
  const TimePoint end = After(Clock::now(), kPatience);
  while (!payloads.empty() && Clock::now() < end) {
    (void)consumer.queue().Tick();
    const std::vector<Job> jobs = consumer.Fetch(4, kSilence);
    for (const Job& job : jobs) payloads.erase(job.payload);
    consumer.DoneAll(jobs);
  }
  if (!payloads.empty()) throw CaseFailed("the job \"" + *payloads.begin() + "\" is lost");
}

void ServerDies(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  const auto producer = bench.Producer();
  producer->Put(bench.Task(), "held");
  const std::vector<Job> held = consumer->Take(1);
  const bool durable = bench.caps().Has(Cap::kDurable);
  const std::string elsewhere = bench.Task("b");
  producer->Put(elsewhere, "waiting");
  std::thread other([&] {
    std::this_thread::sleep_for(Duration{100});  // so that the consumer is in its wait
    bench.fixture().stop_server();
  });
  const Stopwatch watch;
  const bool lost = Loses([&] { (void)consumer->Fetch(1, kPatience); });
  other.join();
  const Duration took = watch.Elapsed();
  const bool refused = Loses([&] { consumer->queue().Connect(); });
  bench.fixture().start_server();
  Expect(lost, "a blocked dequeue did not throw ConnectionLost when the server died");
  Expect(took <= Duration{2'000}, "it noticed the death of the server late");
  Expect(refused, "connecting to no server did not throw ConnectionLost");

  consumer->queue().Disconnect();
  consumer->queue().Connect();
  if (durable) FinishHeld(bench, *consumer, held);
  const auto young = bench.Producer();
  young->Put(elsewhere, "after");
  consumer->Register({bench.Task(), elsewhere});
  TakeAll(*consumer,
          durable ? std::set<std::string>{"waiting", "after"} : std::set<std::string>{"after"});
}

void ServerHangs(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  const auto producer = bench.Producer();
  producer->Put(bench.Task(), "x");
  const Job job = consumer->TakeOne();
  bench.fixture().freeze_server();
  std::optional<Duration> took;
  std::string trouble;
  try {
    consumer->waker.Wake();
    const Stopwatch watch;
    (void)consumer->Fetch(1, kPatience);
    took = watch.Elapsed();
  } catch (const std::exception& e) {
    trouble = e.what();
  }
  (void)consumer->waker.Take();
  bool lost = false;
  const Stopwatch watch;
  if (took) lost = Loses([&] { consumer->Settle(job, Update::Kind::kDone); });
  const Duration apply = watch.Elapsed();
  bench.fixture().thaw_server();
  Expect(took.has_value(), "a wake ended in an exception: " + trouble);
  Expect(*took <= kAtOnce, "a wake did not end the wait for a server that hangs");
  if (bench.caps().Has(Cap::kConfirmedAck)) {
    Expect(lost, "a done to a server that hangs was answered");
  }
  Expect(apply <= Duration{30'000}, "Apply has no time-out");
  consumer->queue().Disconnect();
  consumer->queue().Connect();
  const auto young = bench.Producer();
  young->Put(bench.Task(), "after");
  TakeAll(*consumer, {"after"});
}

constexpr auto kCases = std::to_array<Case>({
    {53, "a server that dies is noticed", kAnyDriver, ServerDies, Control::kStop},
    {55, "a server that hangs does not hold the daemon", kAnyDriver, ServerHangs, Control::kFreeze},
});

}  // namespace

std::span<const Case> TroubleCases() {
  return kCases;
}

}  // namespace workmand::conformance
