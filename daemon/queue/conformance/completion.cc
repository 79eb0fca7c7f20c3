// Cases 21 to 29: how a job ends or comes back; 63 and 64: follow-up jobs.
#include <algorithm>
#include <array>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

constexpr const char* kError = R"({"message":"broken"})";

void DoneRemoves(Bench& bench) {
  const auto producer = bench.Producer();
  auto consumer = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  consumer->Done(consumer->TakeOne());
  consumer->ExpectNothing("a job that was done came again");
  // Not beside the first: where there is no store between them, one consumer is all there can be.
  consumer.reset();
  const auto other = bench.Consumer({bench.Task()});
  other->ExpectNothing("a job that was done came to another consumer");
}

void FailureComesBack(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  const Job first = consumer->TakeOne();
  Expect(consumer->Apply(MakeRetry(first.token, Duration{300})) == Applied::kOk,
         "a failure was not answered ok");
  const Stopwatch watch;
  const Job second = consumer->TakeOne();
  Expect(watch.Elapsed() >= Duration{250}, "it came back before its delay of 300 ms");
  Expect(second.id == first.id, "it came back under another id");
  Expect(second.payload == "x", "it came back with another payload");
  if (bench.caps().Has(Cap::kAttempts)) {
    Expect(first.attempt == 1 && second.attempt == 2, "the failure did not count as an attempt");
    Expect(second.deliveries == 2, "the second delivery does not say that it is");
  }
  consumer->Done(second);
}

DeadLetter FindLetter(Client& producer, const std::string& id) {
  for (DeadLetter& letter : producer.queue().DeadLetters(1'000)) {
    if (letter.id == id) return std::move(letter);
  }
  throw CaseFailed("the job is not among the dead letters");
}

/// As large as an error may be.
std::string LargestError() {
  const std::string before = R"({"message":")";
  const std::string after = R"("})";
  return before + std::string(kLongestError - before.size() - after.size(), 'x') + after;
}

void DeadLetterKeepsTheError(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  const std::string id = producer->Put(bench.Task(), "x");
  const Job job = consumer->TakeOne();
  Expect(consumer->Settle(job, Update::Kind::kFail, kError) == Applied::kOk,
         "a failure was not answered ok");
  const DeadLetter letter = FindLetter(*producer, id);
  Expect(letter.task == bench.Task() && letter.payload == "x", "the dead letter is another job");
  Expect(letter.error == kError, "the dead letter has another error: " + letter.error);
  Expect(letter.attempts == 1, "the dead letter has another number of attempts");
  Expect(producer->queue().RetryDead(id), "the dead letter could not be retried");
  const Job again = consumer->TakeOne();
  Expect(again.id == id && again.attempt == 1, "the retried job does not start as new");
  const std::string large = LargestError();
  Expect(consumer->Settle(again, Update::Kind::kFail, large) == Applied::kOk,
         "a failure with a large error was not answered ok");
  Expect(FindLetter(*producer, id).error == large, "a large error is another one among the dead");
  Expect(producer->queue().DropDead(id), "the dead letter could not be dropped");
  Expect(!producer->queue().DropDead(id), "the dead letter could be dropped twice");
}

void FinalFailureEnds(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  const std::string id = producer->Put(bench.Task(), "x");
  const Job job = consumer->TakeOne();
  Expect(consumer->Settle(job, Update::Kind::kFail, kError) == Applied::kOk,
         "a failure was not answered ok");
  consumer->ExpectNothing("a job that failed for good came again");
  if (bench.caps().Has(Cap::kDeadLetter)) (void)producer->queue().DropDead(id);
}

void AbortReturnsAtOnce(Bench& bench) {
  const auto producer = bench.Producer();
  const auto first = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  const Job job = first->TakeOne();
  const auto second = bench.Consumer({bench.Task()});
  second->ExpectNothing("a held job came to another consumer");
  Expect(first->Settle(job, Update::Kind::kAbort) == Applied::kOk, "an abort was not ok");
  const Stopwatch watch;
  const Job again = second->TakeOne();
  Expect(watch.Elapsed() <= kAtOnce + Duration{400}, "it did not come back at once");
  Expect(again.id == job.id, "it came back under another id");
  if (bench.caps().Has(Cap::kUncountedAbort)) {
    Expect(again.attempt == job.attempt, "the abort counted as an attempt");
  }
  if (bench.caps().Has(Cap::kAttempts)) {
    Expect(again.deliveries == job.deliveries + 1, "the delivery was not counted");
  }
  second->Done(again);
}

void AbortWithDelay(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  Update abort = MakeUpdate(consumer->TakeOne().token, Update::Kind::kAbort);
  abort.delay = Duration{300};
  Expect(consumer->Apply(abort) == Applied::kOk, "an abort was not answered ok");
  const Stopwatch watch;
  const Job again = consumer->TakeOne();
  Expect(watch.Elapsed() >= Duration{250}, "it came back before its delay of 300 ms");
  Expect(watch.Elapsed() <= Duration{1'500} + bench.caps().time_step,
         "it came back long after its delay of 300 ms");
  Expect(again.attempt == 1, "the abort counted as an attempt");
  consumer->Done(again);
}

void AbortLeavesNeighbours(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (int i = 0; i < 4; ++i) producer->Put(bench.Task(), std::to_string(i));
  const std::vector<Job> jobs = consumer->Take(4);
  Expect(consumer->Settle(jobs[1], Update::Kind::kAbort) == Applied::kOk, "an abort was not ok");
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}, std::size_t{3}}) {
    consumer->Done(jobs[i]);
  }
  const Job again = consumer->TakeOne();
  Expect(again.id == jobs[1].id, "another job than the aborted one came back");
  consumer->Done(again);
}

void MixedBatch(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  for (int i = 0; i < 4; ++i) producer->Put(bench.Task(), std::to_string(i));
  const std::vector<Job> jobs = consumer->Take(4);
  std::vector<Update> updates = {MakeUpdate(jobs[0].token, Update::Kind::kDone),
                                 MakeUpdate(jobs[1].token, Update::Kind::kFail, kError),
                                 MakeUpdate(jobs[2].token, Update::Kind::kExtend),
                                 MakeUpdate(jobs[3].token, Update::Kind::kAbort),
                                 MakeUpdate(jobs[2].token, Update::Kind::kDone)};
  updates[2].delay = kLongLease;
  std::vector<Applied> answers(updates.size(), Applied::kLost);
  consumer->queue().Apply(updates, answers);
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{4}}) {
    Expect(answers[i] == Applied::kOk, "update " + std::to_string(i) + " was not answered ok");
  }
  const Applied extend = bench.caps().Has(Cap::kLease) ? Applied::kOk : Applied::kUnsupported;
  Expect(answers[2] == extend, "the extend was answered otherwise than the capabilities say");
  const Job again = consumer->TakeOne();
  Expect(again.id == jobs[3].id, "another job than the aborted one came back");
  consumer->Done(again);
  consumer->ExpectNothing("a job that ended came again");
  if (bench.caps().Has(Cap::kDeadLetter)) (void)producer->queue().DropDead(jobs[1].id);
}

void EmptyBatch(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->queue().Apply({}, {});
  consumer->ExpectNothing("an empty queue returned a job");
}

void FollowUpsGoIn(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task("a"), bench.Task("b")});
  producer->Put(bench.Task("a"), "x");
  Update done = MakeUpdate(consumer->TakeOne().token, Update::Kind::kDone);
  Enqueue& follow_up = done.enqueue.emplace_back();
  follow_up.task = bench.Task("b");
  follow_up.payload = "next";
  Expect(consumer->Apply(done) == Applied::kOk, "a done with a follow-up was not answered ok");
  const Job next = consumer->TakeOne();
  Expect(next.task == bench.Task("b") && next.payload == "next", "another job came");
  consumer->Done(next);
}

void RefusedFollowUp(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task("a"), bench.Task("b")});
  producer->Put(bench.Task("a"), "1");
  producer->Put(bench.Task("a"), "2");
  const std::vector<Job> jobs = consumer->Take(2);
  std::vector<Update> updates = {MakeUpdate(jobs[0].token, Update::Kind::kDone),
                                 MakeUpdate(jobs[1].token, Update::Kind::kDone)};
  updates[0].enqueue.emplace_back();  // without the name of a task
  std::vector<Applied> answers(2, Applied::kLost);
  consumer->queue().Apply(updates, answers);
  Expect(answers[0] == Applied::kRefused, "a follow-up without a task was not refused");
  Expect(answers[1] == Applied::kOk, "the refusal took a neighbour with it");
  consumer->Done(jobs[0]);
  consumer->ExpectNothing("something came after all was settled");
}

constexpr auto kCases = std::to_array<Case>({
    {21, "done removes the job", kAnyDriver, DoneRemoves},
    {22, "a failure comes back after its delay", Needs(Cap::kRetryDelay), FailureComesBack},
    {23, "a dead letter keeps the error", Needs(Cap::kDeadLetter), DeadLetterKeepsTheError},
    {24, "a final failure ends the job", kAnyDriver, FinalFailureEnds},
    {25, "an aborted job is back at once", Needs(Cap::kAtLeastOnce), AbortReturnsAtOnce},
    {26, "an abort with a delay", Needs(Cap::kAbortDelay), AbortWithDelay},
    {27, "an abort leaves its neighbours held", kAnyDriver, AbortLeavesNeighbours},
    {28, "done, fail, abort and extend in one batch", kAnyDriver, MixedBatch},
    {29, "an empty batch", kAnyDriver, EmptyBatch},
    {63, "follow-ups go in with the settlement", kAnyDriver, FollowUpsGoIn},
    {64, "a refused follow-up leaves the job held", kAnyDriver, RefusedFollowUp},
});

}  // namespace

std::span<const Case> CompletionCases() {
  return kCases;
}

}  // namespace workmand::conformance
