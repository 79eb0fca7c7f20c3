// Cases 49 to 52 and 59: what becomes of jobs whose holder is killed. What ends a job that kills
// whoever runs it is the daemon's to decide; a driver keeps the numbers that it decides by, and
// case 52 looks at these.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <poll.h>
#include <random>
#include <set>

#include "daemon/queue/conformance/processes.h"

namespace workmand::conformance {
namespace {

std::size_t Number(const std::string& payload) {
  std::size_t number = 0;
  std::from_chars(payload.data(), payload.data() + payload.size(), number);
  return number;
}

/// Jobs "0", "1" and so on.
void PutNumbers(Client& producer, const std::string& task, std::size_t count) {
  std::vector<Enqueue> batch(count);
  for (std::size_t i = 0; i < count; ++i) {
    batch[i].task = task;
    batch[i].payload = std::to_string(i);
  }
  std::vector<std::string> ids;
  std::vector<std::string> why;
  producer.queue().PutMany(batch, ids, why);
  const auto refused = std::count(ids.begin(), ids.end(), std::string());
  ExpectEqual(static_cast<std::size_t>(refused), 0, "jobs that PutMany refused");
}

void MustComeBack(const Bench& bench) {
  if (bench.caps().Has(Cap::kLease) || bench.caps().Has(Cap::kInstantRequeue)) return;
  throw DoesNotApply("the driver has no lease and no instant requeue");
}

/// Lets a process take `count` waiting jobs and kills it.
void TakeAndDie(Bench& bench, std::size_t count) {
  Helper holder(bench.fixture(), {"hold", bench.Task(), count});
  for (std::size_t i = 0; i < count; ++i) (void)holder.Line();
  holder.Kill();
}

void HolderIsKilled(Bench& bench) {
  MustComeBack(bench);
  constexpr std::size_t kJobs = 3;
  const auto producer = bench.Producer();
  PutNumbers(*producer, bench.Task(), kJobs);
  TakeAndDie(bench, kJobs);
  const Stopwatch watch;
  const auto consumer = bench.Consumer({bench.Task()});
  std::set<std::string> payloads;
  for (const Job& job : TakeBack(*consumer, kJobs)) {
    payloads.insert(job.payload);
    consumer->Done(job);
  }
  const Duration took = watch.Elapsed();
  ExpectEqual(payloads.size(), kJobs, "different jobs that came back");
  bench.Remark("back after " + std::to_string(took.count()) + " ms");
  consumer->ExpectNothing("a job that was done came again");
}

/// Jobs are settled one after the other in the order of `said`: those before its last are gone. Its
/// last may be gone or back; that the others are back shows in their number.
void CheckWhatCameBack(const std::vector<std::string>& said, const std::set<std::string>& back,
                       const Caps& caps) {
  for (std::size_t i = 0; i + 1 < said.size() && caps.Has(Cap::kConfirmedAck); ++i) {
    Expect(!back.contains(said[i]), "job " + said[i] +
                                        " came back though its done was confirmed (" +
                                        std::to_string(said.size()) + " were begun, " +
                                        std::to_string(back.size()) + " came back)");
  }
}

/// One life: how many of the jobs came back.
std::size_t KillOneThatSettles(Bench& bench, const std::string& task, std::size_t count,
                               std::size_t wanted) {
  const auto producer = bench.Producer();
  PutNumbers(*producer, task, count);
  Helper holder(bench.fixture(), {"settle", task, count});
  Expect(holder.Line() == "ready", "a helper process said something else than that it is ready");
  std::vector<std::string> said;
  while (said.size() < wanted) said.push_back(holder.Line());
  holder.Kill();
  holder.Read(said);
  const auto consumer = bench.Consumer({task});
  const std::set<std::string> begun(said.begin(), said.end());
  std::set<std::string> back;
  std::size_t untouched = 0;
  std::vector<Job> jobs;
  const auto take = [&](Job job) {
    if (back.insert(job.payload).second && !begun.contains(job.payload)) ++untouched;
    jobs.push_back(std::move(job));
  };
  while (untouched < count - begun.size()) {
    for (Job& job : TakeBack(*consumer, count - begun.size() - untouched)) take(std::move(job));
  }
  // The one that was being settled may come too, and a lease driver looks only now and then.
  const Duration wait =
      bench.caps().Has(Cap::kLease) ? kBriefLease + bench.caps().time_step : kSilence;
  const Stopwatch watch;
  while (!back.contains(said.back()) && watch.Elapsed() < wait) {
    (void)consumer->queue().Tick();
    for (Job& job : consumer->Fetch(1, Duration{100})) take(std::move(job));
  }
  CheckWhatCameBack(said, back, bench.caps());
  consumer->DoneAll(jobs);
  consumer->ExpectNothing("more jobs came back than there were");
  ExpectEqual(back.size(), jobs.size(), "different jobs that came back");
  return back.size();
}

void KilledWhileItSettles(Bench& bench) {
  MustComeBack(bench);
  constexpr std::size_t kJobs = 40;
  std::random_device random;
  std::string remark;
  for (int life = 0; life < 2; ++life) {
    const std::size_t wanted = 1 + random() % (kJobs - 1);
    const std::size_t back =
        KillOneThatSettles(bench, bench.Task(std::to_string(life)), kJobs, wanted);
    remark += (remark.empty() ? "" : ", ") + std::to_string(back);
  }
  bench.Remark("of " + std::to_string(kJobs) + " came back: " + remark);
}

void DeathIsNoAttempt(Bench& bench) {
  MustComeBack(bench);
  const auto producer = bench.Producer();
  producer->Put(bench.Task(), "x");
  TakeAndDie(bench, 1);
  const auto consumer = bench.Consumer({bench.Task()});
  const Job job = TakeBack(*consumer, 1).front();
  ExpectEqual(static_cast<std::size_t>(job.attempt), 1, "the attempt after a death of the holder");
  ExpectEqual(static_cast<std::size_t>(job.deliveries), 2, "deliveries after it");
  consumer->Done(job);
}

void PoisonEndsInDeadLetters(Bench& bench) {
  MustComeBack(bench);
  constexpr std::size_t kDeaths = 2;
  const auto producer = bench.Producer();
  const std::string id = producer->Put(bench.Task(), "poison");
  for (std::size_t i = 0; i < kDeaths; ++i) TakeAndDie(bench, 1);
  const auto consumer = bench.Consumer({bench.Task()});
  const Job job = TakeBack(*consumer, 1).front();
  Expect(job.id == id, "it came back under another id");
  ExpectEqual(static_cast<std::size_t>(job.deliveries), kDeaths + 1, "deliveries");
  Expect(consumer->Settle(job, Update::Kind::kFail, R"({"message":"too many deaths"})") ==
             Applied::kOk,
         "a failure was not answered ok");
  consumer->ExpectNothing("a job that failed for good came again");
  const auto letters = producer->queue().DeadLetters(1'000);
  const auto found = std::find_if(letters.begin(), letters.end(),
                                  [&](const DeadLetter& letter) { return letter.id == id; });
  Expect(found != letters.end(), "the job is not among the dead letters");
  ExpectEqual(static_cast<std::size_t>(found->deliveries), kDeaths + 1,
              "deliveries of the dead letter");
  Expect(producer->queue().DropDead(id), "the dead letter could not be dropped");
  bench.Remark("the daemon decides when; the driver counts the deaths");
}

/// Consumers in processes, one of which dies now and then and has a successor.
class Crowd {
 public:
  Crowd(const Bench& bench, std::size_t size) : bench_(bench), random_(seed_) {
    for (std::size_t i = 0; i < size; ++i) members_.push_back(Hire());
  }

  [[nodiscard]] unsigned seed() const { return seed_; }
  [[nodiscard]] std::size_t different() const { return seen_.size(); }
  [[nodiscard]] std::size_t deliveries() const { return deliveries_; }

  /// Waits for up to `timeout` for something to be said, and counts it.
  void Listen(Duration timeout) {
    std::vector<pollfd> fds;
    for (const auto& member : members_) fds.push_back({member->fd(), POLLIN, 0});
    (void)poll(fds.data(), fds.size(), static_cast<int>(timeout.count()));
    for (const auto& member : members_) Count(*member);
  }

  void KillOne() {
    std::unique_ptr<Helper>& member = members_[random_() % members_.size()];
    member->Kill();
    Count(*member);
    member = Hire();
  }

  /// Lets everyone finish what it holds.
  void Finish() {
    for (const auto& member : members_) member->Finish();
    for (const auto& member : members_) Count(*member);
  }

 private:
  [[nodiscard]] std::unique_ptr<Helper> Hire() const {
    return std::make_unique<Helper>(bench_.fixture(), HelperWork{"work", bench_.Task(), 0});
  }

  void Count(Helper& member) {
    std::vector<std::string> lines;
    member.Read(lines);
    deliveries_ += lines.size();
    for (const std::string& line : lines) seen_.insert(Number(line));
  }

  const Bench& bench_;
  unsigned seed_ = std::random_device{}();
  std::minstd_rand random_;
  std::vector<std::unique_ptr<Helper>> members_;
  std::set<std::size_t> seen_;
  std::size_t deliveries_ = 0;
};

void ConsumersAreKilled(Bench& bench) {
  MustComeBack(bench);
  constexpr std::size_t kConsumers = 10;
  constexpr std::size_t kJobs = 500;
  constexpr std::size_t kKills = 8;
  const auto producer = bench.Producer();
  PutNumbers(*producer, bench.Task(), kJobs);
  Crowd crowd(bench, kConsumers);
  const std::string seed = "seed " + std::to_string(crowd.seed());
  std::size_t kills = 0;
  const TimePoint deadline = After(Clock::now(), 6 * kPatience);
  while (crowd.different() < kJobs && Clock::now() < deadline) {
    crowd.Listen(Duration{100});
    const bool due = crowd.different() >= (kills + 1) * kJobs / (kKills + 2);
    if (!due || kills == kKills) continue;
    crowd.KillOne();
    ++kills;
  }
  crowd.Finish();
  ExpectEqual(crowd.different(), kJobs, "different jobs that were done (" + seed + ")");
  // What the dead held and had done, but not yet settled.
  const auto consumer = bench.Consumer({bench.Task()});
  const TimePoint over = After(Clock::now(), 2 * kBriefLease + bench.caps().time_step);
  std::size_t left = 0;
  while (Clock::now() < over) {
    (void)consumer->queue().Tick();
    const std::vector<Job> jobs = consumer->Fetch(64, kSilence);
    consumer->DoneAll(jobs);
    left += jobs.size();
    if (jobs.empty() && bench.caps().Has(Cap::kInstantRequeue)) break;
  }
  bench.Remark(std::to_string(crowd.deliveries() + left) + " deliveries of " +
               std::to_string(kJobs) + " jobs, " + std::to_string(kills) + " kills, " + seed);
}

constexpr auto kCases = std::to_array<Case>({
    {49, "the jobs of a killed process come back", kAnyDriver, HolderIsKilled, Control::kProcess},
    {50, "killed while it settles: done or back", kAnyDriver, KilledWhileItSettles,
     Control::kProcess},
    {51, "the death of a holder is a delivery, no attempt", Needs(Cap::kAttempts), DeathIsNoAttempt,
     Control::kProcess},
    {52, "a job that kills its holders can be ended", Cap::kAttempts | Cap::kDeadLetter,
     PoisonEndsInDeadLetters, Control::kProcess},
    {59, "ten processes, killed at random, lose no job", kAnyDriver, ConsumersAreKilled,
     Control::kProcess},
});

}  // namespace

std::span<const Case> DeathCases() {
  return kCases;
}

}  // namespace workmand::conformance
