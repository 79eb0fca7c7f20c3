// Cases 67 to 73: a network that cuts connections, in a wait and at every place of an answer, ends
// them by halves, and is late.
#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "daemon/queue/conformance/kit.h"
#include "daemon/queue/conformance/processes.h"
#include "daemon/queue/conformance/relay.h"

namespace workmand::conformance {
namespace {

/// What a cut fetch took along is back soon.
constexpr Duration kCutLease{2'000};
/// A cut connection is seen so soon by one who waits on it.
constexpr Duration kSeen{2'000};

/// A consumer behind a relay.
struct Wire {
  explicit Wire(const Bench& bench)
      : relay(bench.fixture().server_port),
        consumer(OpenThrough(bench, relay, Role::kConsumer, kCutLease)) {}

  void Reconnect() {
    relay.DoNotCut();
    consumer->queue().Disconnect();
    consumer->queue().Connect();
  }

  Relay relay;
  std::unique_ptr<Client> consumer;
};

/// Calls `act` on another thread while this one is in `wait`.
void During(const std::function<void()>& wait, const std::function<void()>& act) {
  std::thread other([&] {
    std::this_thread::sleep_for(Duration{100});  // so that the other is in its wait
    act();
  });
  try {
    wait();
  } catch (...) {
    other.join();
    throw;
  }
  other.join();
}

void CutInAWait(Bench& bench) {
  const auto producer = bench.Producer();
  Wire wire(bench);
  producer->Put(bench.Task(), "held");
  const std::vector<Job> held = wire.consumer->Take(1);
  bool lost = false;
  const Stopwatch watch;
  During([&] { lost = Loses([&] { (void)wire.consumer->Fetch(1, kPatience); }); },
         [&] { wire.relay.Cut(); });
  const Duration took = watch.Elapsed();
  Expect(lost || !bench.caps().Has(Cap::kWait), "a blocked dequeue did not throw ConnectionLost");
  Expect(!lost || took <= kSeen, "it noticed the cut late");
  wire.Reconnect();
  FinishHeld(bench, *wire.consumer, held);
  producer->Put(bench.Task(), "after");
  wire.consumer->Done(wire.consumer->TakeOne());
  bench.Remark("noticed after " + std::to_string(took.count() - 100) + " ms");
}

void CutBeforeSettling(Bench& bench) {
  constexpr std::size_t kJobs = 10;
  const auto producer = bench.Producer();
  Wire wire(bench);
  for (std::size_t i = 0; i < kJobs; ++i) producer->Put(bench.Task(), std::to_string(i));
  const std::vector<Job> held = wire.consumer->Take(kJobs);
  wire.relay.Cut();
  const std::vector<Update> dones = MakeDones(held);
  std::vector<Applied> answers(kJobs, Applied::kLost);
  const bool lost = Loses([&] { wire.consumer->queue().Apply(dones, answers); });
  Expect(lost || !bench.caps().Has(Cap::kConfirmedAck), "a settlement over a cut was answered");
  wire.Reconnect();
  FinishHeld(bench, *wire.consumer, held);
}

/// Takes and settles until nothing comes for a while, longer than a hold lasts. Returns the
/// payloads.
std::vector<std::string> Drain(const Bench& bench, Client& consumer) {
  std::vector<std::string> payloads;
  const bool lease = bench.caps().Has(Cap::kLease);
  const Duration quiet = lease ? kCutLease * 2 + bench.caps().time_step : 2 * kSilence;
  for (TimePoint end = After(Clock::now(), quiet); Clock::now() < end;) {
    (void)consumer.queue().Tick();
    const std::vector<Job> jobs = consumer.Fetch(16, Duration{100});
    for (const Job& job : jobs) payloads.push_back(job.payload);
    consumer.DoneAll(jobs);
    if (!jobs.empty()) end = After(Clock::now(), quiet);
  }
  return payloads;
}

void CutAnswerToSettling(Bench& bench) {
  constexpr std::size_t kRounds = 4;
  const auto producer = bench.Producer();
  Wire wire(bench);
  for (std::size_t round = 0; round < kRounds; ++round) {
    producer->Put(bench.Task(), std::to_string(round));
    const Job job = wire.consumer->TakeOne();
    wire.relay.CutAfter(0);
    (void)Loses([&] { wire.consumer->Settle(job, Update::Kind::kDone); });
    wire.Reconnect();
    // As the pump does, where the hold may be ours still. Both answers are right.
    if (bench.caps().Has(Cap::kHoldSurvives)) {
      const Applied again = wire.consumer->Settle(job, Update::Kind::kDone);
      Expect(again == Applied::kOk || again == Applied::kLost,
             "a second try was answered otherwise");
    }
  }
  // Where nobody answers a settlement, there is nothing to cut off.
  if (bench.caps().Has(Cap::kConfirmedAck)) ExpectEqual(wire.relay.cuts(), kRounds, "cuts");
  const std::size_t back = Drain(bench, *wire.consumer).size();
  Expect(back <= kRounds, "jobs came more than once more");
  bench.Remark(std::to_string(back) + " of " + std::to_string(kRounds) + " came once more");
}

void CutAnswerToPut(Bench& bench) {
  constexpr std::size_t kRounds = 4;
  const auto consumer = bench.Consumer({bench.Task()});
  Relay relay(bench.fixture().server_port);
  const auto producer = OpenThrough(bench, relay, Role::kProducer, kCutLease);
  std::set<std::string> accepted;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::string payload = std::to_string(round);
    relay.CutAfter(0);
    const bool lost = Loses([&] { producer->Put(bench.Task(), payload); });
    if (!lost) accepted.insert(payload);
    relay.DoNotCut();
    producer->queue().Disconnect();
    producer->queue().Connect();
  }
  ExpectEqual(relay.cuts(), kRounds, "cuts");
  producer->Put(bench.Task(), "after");
  accepted.insert("after");
  std::map<std::string, int> came;
  for (const std::string& payload : Drain(bench, *consumer)) ++came[payload];
  for (const std::string& payload : accepted) {
    Expect(came.contains(payload), "job " + payload + " was taken, and is lost");
  }
  for (const auto& [payload, times] : came) {
    Expect(times == 1, "job " + payload + " is there " + std::to_string(times) + " times");
  }
  bench.Remark(std::to_string(came.size() - 1) + " of " + std::to_string(kRounds) +
               " that nobody confirmed are there");
}

/// CPU time of this process.
Duration Used() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return Duration{used.tv_sec * 1'000 + used.tv_nsec / 1'000'000};
}

void HalfClosed(Bench& bench) {
  constexpr Duration kMostUsed{300};
  const auto producer = bench.Producer();
  Wire wire(bench);
  producer->Put(bench.Task(), "held");
  const std::vector<Job> held = wire.consumer->Take(1);
  bool lost = false;
  const Duration before = Used();
  const Stopwatch watch;
  During([&] { lost = Loses([&] { (void)wire.consumer->Fetch(1, kSeen); }); },
         [&] { wire.relay.HalfClose(); });
  const Duration took = watch.Elapsed();
  const Duration used = Used() - before;
  Expect(lost || !bench.caps().Has(Cap::kWait), "a blocked dequeue did not throw ConnectionLost");
  Expect(used <= kMostUsed, "the wait took " + std::to_string(used.count()) + " ms of CPU time");
  if (!lost) {
    lost = Loses([&] { (void)wire.consumer->Settle(held[0], Update::Kind::kDone); });
    Expect(lost || !bench.caps().Has(Cap::kConfirmedAck),
           "a settlement over a half-closed connection was answered");
  }
  wire.Reconnect();
  FinishHeld(bench, *wire.consumer, held);
  bench.Remark("noticed after " + std::to_string(took.count() - 100) + " ms");
}

void LateAnswers(Bench& bench) {
  constexpr Duration kLate{300};
  const auto producer = bench.Producer();
  Wire wire(bench);
  producer->Put(bench.Task(), "x");
  const Job job = wire.consumer->TakeOne();
  // A driver may open one more connection for the wait beside a held job.
  wire.consumer->ExpectNothing("a held job came again");
  wire.relay.Hold();
  const Stopwatch watch;
  During([&] { (void)wire.consumer->Fetch(1, kPatience); }, [&] { wire.consumer->waker.Wake(); });
  const Duration woken = watch.Elapsed();
  (void)wire.consumer->waker.Take();
  std::thread other([&] {
    std::this_thread::sleep_for(kLate);
    wire.relay.Release();
  });
  Applied answer = Applied::kLost;
  const bool lost = Loses([&] { answer = wire.consumer->Settle(job, Update::Kind::kDone); });
  other.join();
  Expect(woken <= kAtOnce, "a wake did not end the wait for an answer that is late");
  Expect(!lost && answer == Applied::kOk, "an answer that was late was not waited for");
  wire.consumer->ExpectNothing("a job that was done came again");
  producer->Put(bench.Task(), "after");
  wire.consumer->Done(wire.consumer->TakeOne());
}

/// What case 73 knows of its jobs.
struct Tally {
  std::map<std::string, int> came;
  std::set<std::string> done;     ///< answered ok
  std::set<std::string> settled;  ///< also those of which nobody knows what the server has heard
};

/// One session of case 73: takes and settles until it is cut, or `wanted` different jobs were done.
void WorkUntilCut(Wire& wire, Tally& tally, std::size_t wanted) {
  (void)Loses([&] {
    const TimePoint end = After(Clock::now(), 2 * kCutLease);
    while (tally.done.size() < wanted && Clock::now() < end) {
      (void)wire.consumer->queue().Tick();
      const std::vector<Job> jobs = wire.consumer->Fetch(4, Duration{100});
      for (const Job& job : jobs) ++tally.came[job.payload];
      for (const Job& job : jobs) {
        tally.settled.insert(job.payload);
        const Applied answer = wire.consumer->Settle(job, Update::Kind::kDone);
        if (answer == Applied::kOk) tally.done.insert(job.payload);
      }
    }
  });
}

void CutsAtManyPlaces(Bench& bench) {
  constexpr std::size_t kJobs = 60;
  constexpr auto kPlaces = std::to_array<std::size_t>({0, 1, 7, 30, 64, 200, 500, 3'000, 20'000});
  const auto producer = bench.Producer();
  Wire wire(bench);
  for (std::size_t i = 0; i < kJobs; ++i) producer->Put(bench.Task(), std::to_string(i));
  Tally tally;
  for (std::size_t i = 0; i < 2 * kPlaces.size(); ++i) {
    const std::size_t place = kPlaces[i / 2];
    const auto side = i % 2 == 0 ? Relay::From::kServer : Relay::From::kClient;
    wire.relay.CutAfter(place, side);
    WorkUntilCut(wire, tally, (i + 1) * kJobs / (2 * kPlaces.size() + 1));
    wire.Reconnect();
    // The same in the middle of what a connection begins with.
    wire.consumer->queue().Disconnect();
    wire.relay.CutAfter(place, side);
    (void)Loses([&] { wire.consumer->queue().Connect(); });
    wire.Reconnect();
  }
  for (const std::string& payload : Drain(bench, *wire.consumer)) {
    ++tally.came[payload];
    tally.settled.insert(payload);
  }
  // What was taken and not settled must have come again.
  ExpectEqual(tally.settled.size(), kJobs, "different jobs that were settled");
  std::size_t twice = 0;
  for (const auto& [payload, times] : tally.came) twice += times > 1 ? 1 : 0;
  Expect(wire.relay.cuts() >= kPlaces.size(), "the relay has hardly cut anything");
  bench.Remark(std::to_string(wire.relay.cuts()) + " cuts, " + std::to_string(kJobs) +
               " jobs: none lost, " + std::to_string(twice) + " more than once");
}

constexpr auto kCases = std::to_array<Case>({
    {67, "a connection that is cut in a wait", Needs(Cap::kAtLeastOnce), CutInAWait,
     Control::kRelay},
    {68, "a cut between fetching and settling", Needs(Cap::kAtLeastOnce), CutBeforeSettling,
     Control::kRelay},
    {69, "the answer to a settlement is cut off", Needs(Cap::kAtLeastOnce), CutAnswerToSettling,
     Control::kRelay},
    {70, "the answer to a put is cut off", kAnyDriver, CutAnswerToPut, Control::kRelay},
    {71, "a connection that is closed by half", Needs(Cap::kAtLeastOnce), HalfClosed,
     Control::kRelay},
    {72, "answers that are late", kAnyDriver, LateAnswers, Control::kRelay},
    {73, "cuts at many places lose no job", Needs(Cap::kAtLeastOnce), CutsAtManyPlaces,
     Control::kRelay},
});

}  // namespace

std::span<const Case> CutCases() {
  return kCases;
}

}  // namespace workmand::conformance
