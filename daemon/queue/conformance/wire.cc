// Cases 19, 56 and 57, seen from between the driver and its server.
#include <array>
#include <cstdio>
#include <random>

#include "daemon/queue/conformance/kit.h"
#include "daemon/queue/conformance/relay.h"

namespace workmand::conformance {
namespace {

std::string Each(std::size_t total, std::size_t count) {
  std::array<char, 16> text{};
  const double each = static_cast<double>(total) / static_cast<double>(count);
  const int size = std::snprintf(text.data(), text.size(), "%.1f", each);
  return {text.data(), static_cast<std::size_t>(size)};
}

void SettlingKeepsTheWaitArmed(Bench& bench) {
  constexpr std::size_t kJobs = 20;
  Relay relay(bench.fixture().server_port);
  const auto producer = bench.Producer();
  const auto consumer = OpenThrough(bench, relay);
  for (std::size_t i = 0; i < kJobs; ++i) producer->Put(bench.Task(), std::to_string(i));
  const std::vector<Job> jobs = consumer->Take(kJobs);
  consumer->ExpectNothing("more jobs came than were put");
  std::size_t settling = 0;
  std::size_t waiting = 0;
  for (const Job& job : jobs) {
    const std::size_t before = relay.answers();
    consumer->Done(job);
    const std::size_t between = relay.answers();
    Expect(consumer->Fetch(1, Duration{20}).empty(), "a job that was done came again");
    settling += between - before;
    waiting += relay.answers() - between;
  }
  bench.Remark(Each(settling, kJobs) + " round trips to settle, " + Each(waiting, kJobs) +
               " to wait again");
  Expect(waiting <= kJobs + 2, "waiting again cost " + Each(waiting, kJobs) + " round trips");
}

std::vector<std::string> BadAnswers(const ConformanceFixture& fixture, std::uint32_t seed) {
  std::vector<std::string> all = fixture.bad_answers;
  all.emplace_back("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  all.emplace_back(4'096, '\0');
  std::minstd_rand random(seed);
  for (int i = 0; i < 3; ++i) {
    std::string noise(1 + random() % 20'000, '\0');
    for (char& byte : noise) byte = static_cast<char>(random() & 0xFFU);
    all.push_back(std::move(noise));
  }
  return all;
}

void BadAnswersLoseTheConnection(Bench& bench) {
  const std::uint32_t seed = std::random_device{}();
  const std::string told = " (seed " + std::to_string(seed) + ")";
  Relay relay(bench.fixture().server_port);
  const auto producer = bench.Producer();
  const std::vector<std::string> answers = BadAnswers(bench.fixture(), seed);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string which = ": bad answer " + std::to_string(i) + told;
    const auto consumer = OpenThrough(bench, relay);
    producer->Put(bench.Task(), "x");
    const Job job = consumer->TakeOne();
    relay.Garble(answers[i]);
    const bool lost = Loses([&] {
      consumer->Settle(job, Update::Kind::kDone);
      (void)consumer->Fetch(1, kSilence);
    });
    // Where settling asks for no answer, a bad one may come later.
    Expect(lost || !bench.caps().Has(Cap::kConfirmedAck),
           "settling did not lose the connection" + which);
    consumer->queue().Disconnect();
    Expect(Loses([&] { consumer->queue().Connect(); }), "it connected all the same" + which);
    consumer->queue().Disconnect();
    relay.Garble({});
    consumer->queue().Connect();
    // Whether the server has the done is open; the next job comes either way.
    producer->Put(bench.Task(), "next");
    bool next = false;
    for (const TimePoint end = After(Clock::now(), kPatience); !next && Clock::now() < end;) {
      const std::vector<Job> jobs = consumer->Fetch(4, kSilence);
      for (const Job& one : jobs) next = next || one.payload == "next";
      consumer->DoneAll(jobs);
    }
    Expect(next, "after it no job came" + which);
    // A hold that has survived.
    if (bench.caps().Has(Cap::kHoldSurvives)) (void)consumer->Settle(job, Update::Kind::kDone);
  }
  bench.Remark(std::to_string(answers.size()) + " answers" + told);
}

void IdleConnectionLives(Bench& bench) {
  constexpr Duration kIdle{2'500};
  const bool relayed = bench.fixture().server_port != 0;
  std::unique_ptr<Relay> relay;
  if (relayed) relay = std::make_unique<Relay>(bench.fixture().server_port);
  const auto producer = bench.Producer();
  const auto consumer = relayed ? OpenThrough(bench, *relay) : bench.Consumer({bench.Task()});
  producer->Put(bench.Task(), "x");
  const Job job = consumer->TakeOne();
  // A driver may open one more for the wait beside a held job.
  consumer->ExpectNothing("a held job came again");
  const std::size_t before = relayed ? relay->connections() : 0;
  const Stopwatch watch;
  while (watch.Elapsed() < kIdle) {
    const Duration next = consumer->queue().Tick();
    Expect(consumer->Fetch(1, std::min(next, Duration{500})).empty(), "a held job came again");
  }
  Expect(consumer->queue().Tick() > Duration{0},
         "the housekeeping asks to be called without pause");
  consumer->Done(job);
  producer->Put(bench.Task(), "y");
  consumer->Done(consumer->TakeOne());
  if (relayed) ExpectEqual(relay->connections(), before, "connections after an idle time");
}

constexpr auto kCases = std::to_array<Case>({
    {19, "settling between two waits costs no more than it", Needs(Cap::kWait),
     SettlingKeepsTheWaitArmed, Control::kRelay},
    {56, "answers that make no sense lose the connection", kAnyDriver, BadAnswersLoseTheConnection,
     Control::kRelay},
    {57, "an idle connection lives", kAnyDriver, IdleConnectionLives},
});

}  // namespace

std::span<const Case> WireCases() {
  return kCases;
}

}  // namespace workmand::conformance
