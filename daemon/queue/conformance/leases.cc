// Cases 46 to 48: when a hold ends without a settlement; 54 and 65: what becomes of tokens; 66:
// counts.
#include <array>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

constexpr Duration kShortLease{1'000};

void ExtendKeepsTheJob(Bench& bench) {
  const auto producer = bench.Producer();
  const auto first = bench.Consumer({bench.Task()}, kShortLease);
  const auto second = bench.Consumer({bench.Task()}, kShortLease);
  producer->Put(bench.Task(), "x");
  const Job job = first->TakeOne();
  const Stopwatch watch;
  while (watch.Elapsed() < 2 * kShortLease) {
    Update extend = MakeUpdate(job.token, Update::Kind::kExtend);
    extend.delay = kShortLease;
    Expect(first->Apply(extend) == Applied::kOk, "an extend of a held job was not answered ok");
    (void)second->queue().Tick();
    Expect(second->Fetch(1, kShortLease / 5).empty(),
           "a job whose lease is renewed came to another consumer");
  }
  first->Done(job);
}

void ExpiredLease(Bench& bench) {
  const auto producer = bench.Producer();
  const auto first = bench.Consumer({bench.Task()}, kShortLease);
  const auto second = bench.Consumer({bench.Task()}, kLongLease);
  producer->Put(bench.Task(), "x");
  const Job job = first->TakeOne();
  const Stopwatch watch;
  Job again;
  bool back = false;
  while (!back && watch.Elapsed() < kPatience) {
    (void)second->queue().Tick();
    for (const Job& found : second->Fetch(1, Duration{100})) {
      again = found;
      back = true;
    }
  }
  Expect(back, "a job whose lease was over did not come back");
  Expect(watch.Elapsed() >= kShortLease * 9 / 10, "it came back before its lease was over");
  Expect(again.id == job.id, "it came back under another id");
  Expect(again.attempt == job.attempt, "the end of a lease counted as an attempt");
  if (bench.caps().Has(Cap::kAttempts)) {
    Expect(again.deliveries == job.deliveries + 1, "the delivery was not counted");
  }
  Expect(first->Settle(job, Update::Kind::kDone) == Applied::kLost,
         "the late done was not answered lost");
  second->Done(again);
}

void DisconnectGivesBack(Bench& bench) {
  const auto producer = bench.Producer();
  for (int i = 0; i < 3; ++i) producer->Put(bench.Task(), std::to_string(i));
  auto first = bench.Consumer({bench.Task()});
  (void)first->Take(3);
  const auto second = bench.Consumer({bench.Task()});
  second->ExpectNothing("a held job came to another consumer");
  first.reset();
  const Stopwatch watch;
  const std::vector<Job> jobs = second->Take(3);
  Expect(watch.Elapsed() <= kAtOnce, "the jobs did not come back at once");
  second->DoneAll(jobs);
}

void TokensDieWithTheSession(Bench& bench) {
  if (bench.caps().Has(Cap::kHoldSurvives)) throw DoesNotApply("holds survive a reconnect");
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  const Job old = consumer->TakeOne();
  consumer->queue().Disconnect();
  consumer->queue().Connect();
  const Job again = consumer->TakeOne();
  Expect(again.token != old.token, "a token was used again");
  Expect(consumer->Settle(old, Update::Kind::kDone) == Applied::kLost,
         "a done on a token of the former session was not answered lost");
  consumer->Done(again);
}

void HoldsSurviveAReconnect(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  const Job job = consumer->TakeOne();
  consumer->queue().Disconnect();
  consumer->queue().Connect();
  consumer->ExpectNothing("a held job came again after a reconnect");
  consumer->Done(job);
}

void CountsWhatWaits(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  Expect(producer->queue().Size(bench.Task()).value_or(0) == 0, "an empty queue has a size");
  for (int i = 0; i < 3; ++i) producer->Put(bench.Task(), std::to_string(i));
  Expect(producer->queue().Size(bench.Task()) == 3U, "three waiting jobs are not three");
  const Job job = consumer->TakeOne();
  Expect(producer->queue().Size(bench.Task()) == 2U, "a held job counts as waiting");
  consumer->Done(job);
  consumer->DoneAll(consumer->Take(2));
}

constexpr auto kCases = std::to_array<Case>({
    {46, "an extended lease keeps the job", Needs(Cap::kLease), ExtendKeepsTheJob},
    {47, "a late done on an expired lease is lost", Needs(Cap::kLease), ExpiredLease},
    {48, "a disconnect gives held jobs back at once", Needs(Cap::kInstantRequeue),
     DisconnectGivesBack},
    {54, "tokens die with their session", Needs(Cap::kInstantRequeue), TokensDieWithTheSession},
    {65, "holds survive a reconnect", Needs(Cap::kHoldSurvives), HoldsSurviveAReconnect},
    {66, "what waits is counted", Needs(Cap::kCount), CountsWhatWaits},
});

}  // namespace

std::span<const Case> LeaseCases() {
  return kCases;
}

}  // namespace workmand::conformance
