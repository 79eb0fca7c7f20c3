#include "daemon/queue/ledger.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "daemon/queue/ledger_file.h"

namespace workmand {
namespace {

using namespace std::chrono_literals;

/// A broker that keeps jobs and nothing else; what is given back comes again.
struct Broker {
  std::deque<Job> jobs;
  std::vector<Update> seen;
  std::vector<Enqueue> put;
  Applied answer = Applied::kOk;
  std::uint64_t tokens = 0;

  void Add(std::string id, std::string payload = "{}") {
    Job job;
    job.id = std::move(id);
    job.task = "T";
    job.payload = std::move(payload);
    jobs.push_back(std::move(job));
  }
};

class BareQueue final : public Queue {
 public:
  explicit BareQueue(Broker& broker) : broker_(broker) {}
  [[nodiscard]] Caps GetCaps() const override { return {Cap::kInstantRequeue | Cap::kWait, 0}; }
  void Connect() override {}
  void Disconnect() noexcept override {}
  void RegisterTasks(std::span<const Subscription> /*tasks*/) override {}
  std::string Put(const Enqueue& job) override {
    broker_.put.push_back(job);
    return "new";
  }
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration /*timeout*/,
               const Waker& /*waker*/) override {
    for (; n > 0 && !broker_.jobs.empty(); --n) {
      out.push_back(broker_.jobs.front());
      out.back().token = Token{++broker_.tokens};
      broker_.jobs.pop_front();
    }
  }
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override {
    broker_.seen.insert(broker_.seen.end(), updates.begin(), updates.end());
    std::fill(answers.begin(), answers.end(), broker_.answer);
  }

 private:
  Broker& broker_;
};

/// One daemon after the other on the same folder and broker, and a clock that the test moves.
class World {
 public:
  World() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "workmand-ledger-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
  }
  ~World() {
    queue.reset();
    std::filesystem::remove_all(folder_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] std::string path() const { return (folder_ / "state" / "t").string(); }
  [[nodiscard]] std::unique_ptr<Queue> Make(bool counts) const {
    LedgerOptions options{path(), retention, counts, boot, [this] { return now; }};
    return WithLedger(std::make_unique<BareQueue>(const_cast<Broker&>(broker)), options);
  }
  void Start() {
    queue = Make(true);
    queue->Connect();
  }
  /// The daemon is gone without a word: what it held stays marked, as the file is when it is
  /// killed.
  void Die() {
    const auto held = folder_ / "state" / "t.held";
    std::filesystem::copy_file(held, folder_ / "kept");
    queue.reset();
    std::filesystem::rename(folder_ / "kept", held);
  }
  [[nodiscard]] Job Take() const {
    std::vector<Job> jobs;
    queue->Dequeue(jobs, 1, Duration{0}, waker);
    REQUIRE(jobs.size() == 1);
    return jobs.front();
  }
  [[nodiscard]] Applied Apply(Update update) const {
    Applied answer = Applied::kUnsupported;
    queue->Apply({&update, 1}, {&answer, 1});
    return answer;
  }
  [[nodiscard]] Applied End(const Job& job, Update::Kind kind,
                            std::shared_ptr<const Job> with = nullptr) const {
    Update update;
    update.token = job.token;
    update.kind = kind;
    update.bytes = R"({"message":"no luck"})";
    update.job = std::move(with);
    return Apply(std::move(update));
  }
  /// Ends one try badly; the daemon keeps the job for the next.
  [[nodiscard]] Applied KeepForRetry(Job& job) const {
    ++job.attempt;
    ++job.deliveries;
    return End(job, Update::Kind::kExtend, std::make_shared<const Job>(job));
  }
  [[nodiscard]] std::size_t Rows() const {
    return LedgerFile(path() + ".ledger.db").ReadCounts().size();
  }

  Broker broker;
  std::unique_ptr<Queue> queue;
  Waker waker;
  std::string boot = "boot 1";
  Duration retention{0};
  std::chrono::sys_time<Duration> now{1'000'000h};

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("attempts and deliveries go on where a dead daemon left off", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1");
  Job job = world.Take();
  CHECK(job.attempt == 1);
  CHECK(world.KeepForRetry(job) == Applied::kOk);
  CHECK(world.broker.seen.empty());  // the broker would not understand it
  world.Die();

  world.Start();
  world.broker.Add("H:1");
  job = world.Take();

  CHECK(job.attempt == 2);
  CHECK(job.deliveries == 3);  // the second was in hand when the daemon died
}

TEST_CASE("a job that ends the daemon each time is counted each time", "[ledger]") {
  World world;
  for (int delivery = 1; delivery <= 4; ++delivery) {
    world.Start();
    world.broker.Add("H:1");
    const Job job = world.Take();
    CHECK(job.attempt == 1);
    CHECK(job.deliveries == delivery);
    world.Die();
  }
}

TEST_CASE("an end in order leaves no job counted that was not delivered", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1");
  Job job = world.Take();
  (void)world.KeepForRetry(job);
  Update back;
  back.token = job.token;
  back.kind = Update::Kind::kAbort;
  back.never_ran = true;
  CHECK(world.Apply(back) == Applied::kOk);
  world.queue->Disconnect();
  world.queue.reset();

  world.Start();
  world.broker.Add("H:1");
  job = world.Take();

  CHECK(job.attempt == 2);
  CHECK(job.deliveries == 2);
}

TEST_CASE("an abort is a delivery and no attempt", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1");
  CHECK(world.End(world.Take(), Update::Kind::kAbort) == Applied::kOk);

  world.broker.Add("H:1");
  const Job job = world.Take();

  CHECK(job.attempt == 1);
  CHECK(job.deliveries == 2);
}

TEST_CASE("a job that ended badly and goes back all the same counts", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1");
  const Job job = world.Take();
  auto next = std::make_shared<Job>(job);
  next->attempt = 2;
  next->deliveries = 2;
  CHECK(world.End(job, Update::Kind::kAbort, next) == Applied::kOk);

  world.broker.Add("H:1");
  CHECK(world.Take().attempt == 2);
}

TEST_CASE("jobs that end well write nothing and take away what was written", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1");
  CHECK(world.End(world.Take(), Update::Kind::kDone) == Applied::kOk);
  CHECK(world.Rows() == 0);
  world.broker.Add("H:2");
  Job job = world.Take();
  (void)world.KeepForRetry(job);
  CHECK(world.Rows() == 1);

  CHECK(world.End(job, Update::Kind::kDone) == Applied::kOk);

  CHECK(world.Rows() == 0);
  world.broker.Add("H:2");
  CHECK(world.Take().attempt == 1);
}

TEST_CASE("a settlement that was lost keeps what the job has behind it", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1");
  Job job = world.Take();
  (void)world.KeepForRetry(job);
  world.broker.answer = Applied::kLost;

  CHECK(world.End(job, Update::Kind::kDone) == Applied::kLost);

  CHECK(world.Rows() == 1);
}

TEST_CASE("another job under the name of an old one starts at one", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1", "old");
  Job job = world.Take();
  (void)world.KeepForRetry(job);

  world.broker.Add("H:1", "new");

  CHECK(world.Take().attempt == 1);
}

TEST_CASE("a job that failed for good is a dead letter until it is retried", "[ledger]") {
  World world;
  world.Start();
  world.broker.Add("H:1", "payload");
  Job job = world.Take();
  job.attempt = 3;
  job.deliveries = 5;
  CHECK(world.End(job, Update::Kind::kFail, std::make_shared<const Job>(job)) == Applied::kOk);
  CHECK(world.broker.seen.size() == 1);

  const auto reader = world.Make(false);
  const std::vector<DeadLetter> letters = reader->DeadLetters(10);

  REQUIRE(letters.size() == 1);
  CHECK(letters[0].id == "H:1");
  CHECK(letters[0].task == "T");
  CHECK(letters[0].payload == "payload");
  CHECK(letters[0].error == R"({"message":"no luck"})");
  CHECK(letters[0].attempts == 3);
  CHECK(letters[0].deliveries == 5);
  CHECK(letters[0].failed_at_ms == world.now.time_since_epoch().count());
  CHECK_FALSE(reader->RetryDead("H:2"));
  CHECK(reader->RetryDead("H:1"));
  REQUIRE(world.broker.put.size() == 1);
  CHECK(world.broker.put[0].payload == "payload");
  CHECK(reader->DeadLetters(10).empty());
}

TEST_CASE("dead letters of one name do not replace each other", "[ledger]") {
  World world;
  world.Start();
  for (const char* payload : {"a", "b"}) {
    world.broker.Add("H:1", payload);
    const Job job = world.Take();
    (void)world.End(job, Update::Kind::kFail, std::make_shared<const Job>(job));
  }

  REQUIRE(world.queue->DeadLetters(10).size() == 2);
  CHECK(world.queue->DropDead("H:1#2"));
  CHECK_FALSE(world.queue->DropDead("H:1#2"));
  CHECK(world.queue->DeadLetters(10).at(0).payload == "a");
}

TEST_CASE("dead letters and counts go when they are old", "[ledger]") {
  World world;
  world.retention = 100s;
  world.Start();
  world.broker.Add("H:1");
  Job job = world.Take();
  (void)world.KeepForRetry(job);
  (void)world.End(job, Update::Kind::kFail, std::make_shared<const Job>(job));
  world.broker.Add("H:2");
  job = world.Take();
  (void)world.KeepForRetry(job);
  LedgerFile file(world.path() + ".ledger.db");

  file.Sweep(world.now + 99s, world.retention);
  CHECK(file.ListDead(10).size() == 1);
  file.Sweep(world.now + 100s, Duration{0});
  CHECK(file.ListDead(10).size() == 1);
  file.Sweep(world.now + 100s, world.retention);
  CHECK(file.ListDead(10).empty());

  CHECK(world.Rows() == 1);
  file.Sweep(world.now + 24h * 7, world.retention);
  CHECK(world.Rows() == 0);
}

TEST_CASE("a ledger that cannot be opened stops no job", "[ledger]") {
  World world;
  std::filesystem::create_directories(world.path() + ".ledger.db");
  world.Start();
  world.broker.Add("H:1");

  const Job job = world.Take();

  CHECK(world.End(job, Update::Kind::kFail, std::make_shared<const Job>(job)) == Applied::kOk);
}

}  // namespace workmand
