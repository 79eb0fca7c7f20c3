// Cases 30 to 38: what a waiting producer gets.
#include <array>
#include <thread>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {
namespace {

Enqueue Foreground(const Bench& bench, std::string unique = {}) {
  Enqueue job;
  job.task = bench.Task();
  job.payload = "x";
  job.unique = std::move(unique);
  job.foreground = true;
  return job;
}

void ResultReachesTheCaller(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  const std::string id = producer->Put(Foreground(bench));
  const Job job = consumer->TakeOne();
  Expect(job.wants_result, "the job does not say that somebody waits for its result");
  const std::string bytes("a\0b\n\xFF", 5);
  consumer->Done(job, bytes);
  const Reply reply = producer->AwaitReply();
  Expect(reply.id == id, "the reply is for another job");
  Expect(reply.state == Reply::State::kDone, "the reply is not done");
  Expect(reply.bytes == bytes, "the result came back changed");
}

void FailureReachesTheCaller(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  const std::string id = producer->Put(Foreground(bench));
  const std::string error = R"({"message":"broken"})";
  Expect(consumer->Settle(consumer->TakeOne(), Update::Kind::kFail, error) == Applied::kOk,
         "a failure was not answered ok");
  const Reply reply = producer->AwaitReply();
  Expect(reply.id == id, "the reply is for another job");
  Expect(reply.state == Reply::State::kFailed, "the reply is not failed");
  Expect(reply.bytes == error, "the error came back changed: " + reply.bytes);
  if (bench.caps().Has(Cap::kDeadLetter)) (void)producer->queue().DropDead(id);
}

void TimeoutLeavesTheJob(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(Foreground(bench));
  const Job job = consumer->TakeOne();
  producer->ExpectNoReply("a reply came before the job had ended");
  consumer->Done(job, "late");
  Expect(producer->AwaitReply().bytes == "late", "the result came back changed");
}

void ResultAfterRedelivery(Bench& bench) {
  const auto producer = bench.Producer();
  producer->Put(Foreground(bench));
  {
    const auto dying = bench.Consumer({bench.Task()});
    (void)dying->TakeOne();
  }
  producer->ExpectNoReply("a reply came when the consumer went away");
  const auto consumer = bench.Consumer({bench.Task()});
  consumer->Done(consumer->TakeOne(), "second");
  Expect(producer->AwaitReply().bytes == "second", "the result came back changed");
}

void AbortKeepsTheCallerWaiting(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(Foreground(bench));
  Expect(consumer->Settle(consumer->TakeOne(), Update::Kind::kAbort) == Applied::kOk,
         "an abort was not answered ok");
  producer->ExpectNoReply("an abort ended the wait of the caller");
  consumer->Done(consumer->TakeOne(), "then");
  Expect(producer->AwaitReply().bytes == "then", "the result came back changed");
}

void TwoCallersOneJob(Bench& bench) {
  const auto first = bench.Producer();
  const auto second = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  const std::string one = first->Put(Foreground(bench, "k"));
  const std::string other = second->Put(Foreground(bench, "k"));
  const Job job = consumer->TakeOne();
  consumer->ExpectNothing("one unique key came as two jobs");
  consumer->Done(job, "same");
  const Reply a = first->AwaitReply();
  const Reply b = second->AwaitReply();
  Expect(a.bytes == "same" && b.bytes == "same", "a caller got another result");
  Expect(a.id == one && b.id == other, "a reply has another id than its Put returned");
}

void CallerGone(Bench& bench) {
  const auto consumer = bench.Consumer({bench.Task()});
  auto producer = bench.Producer();
  producer->Put(Foreground(bench));
  const Job job = consumer->TakeOne();
  producer.reset();
  const Applied answer = consumer->Settle(job, Update::Kind::kDone, "nobody");
  Expect(answer == Applied::kOk || answer == Applied::kLost, "the done was neither ok nor lost");
  consumer->ExpectNothing("a job that was done came again");
}

void ProgressInOrder(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  const std::string id = producer->Put(Foreground(bench));
  const Job job = consumer->TakeOne();
  Expect(job.wants_progress, "the job does not say that its progress can be passed on");
  Update progress = MakeUpdate(job.token, Update::Kind::kProgress);
  progress.numerator = 1;
  progress.denominator = 4;
  Expect(consumer->Apply(progress) == Applied::kOk, "progress was not answered ok");
  Expect(consumer->Settle(job, Update::Kind::kData, "part") == Applied::kOk,
         "partial data was not answered ok");
  consumer->Done(job, "whole");

  std::vector<ProgressNote> notes;
  std::vector<Reply> replies;
  const TimePoint deadline = After(Clock::now(), kPatience);
  while (replies.empty() && Clock::now() < deadline) {
    producer->queue().Collect(replies, Until(Clock::now(), deadline), producer->waker);
    producer->queue().TakeProgress(notes);
  }
  ExpectEqual(replies.size(), 1, "replies");
  Expect(replies[0].bytes == "whole", "the result came back changed");
  ExpectEqual(notes.size(), 2, "notes of progress before the result");
  Expect(notes[0].id == id && notes[0].kind == Update::Kind::kProgress &&
             notes[0].numerator * 4 == notes[0].denominator,
         "the progress came back changed");
  Expect(notes[1].kind == Update::Kind::kData && notes[1].bytes == "part",
         "the partial data came back changed");
}

void WakeEndsTheCollect(Bench& bench) {
  const auto producer = bench.Producer();
  const auto consumer = bench.Consumer({bench.Task()});
  producer->Put(Foreground(bench));
  const Job job = consumer->TakeOne();
  std::thread other([&] { producer->waker.Wake(); });
  std::vector<Reply> replies;
  const Stopwatch watch;
  producer->queue().Collect(replies, kPatience, producer->waker);
  other.join();
  Expect(replies.empty(), "a reply came before the job had ended");
  Expect(watch.Elapsed() <= kAtOnce, "the wake did not end the wait");
  Expect(producer->waker.Take(), "the driver took the wake");
  consumer->Done(job, "x");
  (void)producer->AwaitReply();
}

constexpr std::uint32_t kForeground = Needs(Cap::kForeground);
constexpr auto kCases = std::to_array<Case>({
    {30, "the result reaches the caller", kForeground, ResultReachesTheCaller},
    {31, "a failure reaches the caller", kForeground, FailureReachesTheCaller},
    {32, "a caller's time-out leaves the job", kForeground, TimeoutLeavesTheJob},
    {33, "the result of a redelivery", Cap::kForeground | Cap::kInstantRequeue,
     ResultAfterRedelivery},
    {34, "an abort keeps the caller waiting", kForeground, AbortKeepsTheCallerWaiting},
    {35, "two callers of one unique key", Cap::kForeground | Cap::kUnique, TwoCallersOneJob},
    {36, "a caller that has gone harms nobody", kForeground, CallerGone},
    {37, "progress and partial data come in order",
     Cap::kForeground | Cap::kProgress | Cap::kPartialData, ProgressInOrder},
    {38, "a wake ends the wait of a caller", kForeground, WakeEndsTheCollect},
});

}  // namespace

std::span<const Case> ForegroundCases() {
  return kCases;
}

}  // namespace workmand::conformance
