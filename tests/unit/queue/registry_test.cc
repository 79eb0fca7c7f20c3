#include "daemon/queue/registry.h"

#include <array>

#include <catch2/catch.hpp>

#include "daemon/queue/options.h"

namespace workmand {
namespace {

QueueOptions MemoryOptions() {
  QueueOptions options;
  options.driver = "memory";
  return options;
}

DriverConfig MemoryConfig() {
  DriverConfig config;
  config.options = MemoryOptions();
  return config;
}

QueueOptions::Value Scalar(std::string text) {
  QueueOptions::Value value;
  value.text = std::move(text);
  return value;
}

QueueOptions::Value List(std::vector<std::string> list) {
  QueueOptions::Value value;
  value.list = std::move(list);
  value.is_list = true;
  return value;
}

std::unique_ptr<Queue> Open(const DriverConfig& config, Role role) {
  auto opened = OpenQueue(config, role);
  REQUIRE(opened);
  (*opened)->Connect();
  return std::move(*opened);
}

TEST_CASE("a driver that is not built is told with those that are", "[queue]") {
  QueueOptions options;
  options.driver = "memroy";

  const auto errors = CheckQueueOptions(options);

  REQUIRE(errors.size() == 1);
  CHECK(errors[0].key == "driver");
  CHECK_THAT(errors[0].sentence, Catch::Contains("there is no driver \"memroy\"; installed are"));
  CHECK_THAT(errors[0].sentence, Catch::Contains("did you mean \"memory\"?"));
}

TEST_CASE("a driver far from any name gets no hint", "[queue]") {
  const auto found = FindDriver("carrier-pigeon");

  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::kNotFound);
  CHECK_THAT(found.error().message, !Catch::Contains("did you mean"));
}

TEST_CASE("every driver says the same of itself in the table and as an instance", "[queue]") {
  CHECK_FALSE(AllDrivers().empty());
  for (const DriverInfo& info : AllDrivers()) {
    const auto found = FindDriver(info.name);
    REQUIRE(found);
    CHECK(found->caps.bits == info.caps.bits);
    // It keeps its jobs, or it says when it does not.
    CHECK(info.caps.Has(Cap::kAtLeastOnce) == info.caps.lost_if.empty());
  }
  CHECK(Open(MemoryConfig(), Role::kConsumer)->GetCaps().bits == FindDriver("memory")->caps.bits);
}

TEST_CASE("an unknown key of a driver is named", "[queue]") {
  QueueOptions options = MemoryOptions();
  options.extra["path"] = Scalar("x.db");

  const auto errors = CheckQueueOptions(options);

  REQUIRE(errors.size() == 1);
  CHECK(errors[0].key == "path");
  CHECK(errors[0].sentence == "is not a key of the driver memory, which has none of its own");
}

TEST_CASE("an unknown key gets the nearest known one as a hint", "[queue]") {
  constexpr std::array<std::string_view, 2> kKnown{"synchronous", "path"};
  QueueOptions options;
  options.extra["sinchronous"] = Scalar("full");
  std::vector<QueueKeyError> errors;

  CheckKnownKeys(options, kKnown, errors);

  REQUIRE(errors.size() == 1);
  CHECK(errors[0].sentence == "is not a key of the driver sqlite (did you mean \"synchronous\"?)");
}

TEST_CASE("values are read by type", "[queue]") {
  constexpr std::array<std::string_view, 2> kChoices{"full", "normal"};
  QueueOptions options;
  options.extra["one"] = Scalar("full");
  options.extra["many"] = List({"a", "b"});

  CHECK(*GetString(options, "one", "x") == "full");
  CHECK(*GetString(options, "none", "x") == "x");
  CHECK_FALSE(GetString(options, "many", "x"));
  CHECK(*GetList(options, "many") == std::vector<std::string>{"a", "b"});
  CHECK(*GetList(options, "one") == std::vector<std::string>{"full"});
  CHECK(GetList(options, "none")->empty());
  CHECK(*GetChoice(options, "one", kChoices, "normal") == "full");
  options.extra["one"] = Scalar("fast");
  CHECK(GetChoice(options, "one", kChoices, "normal").error().message ==
        "must be one of full and normal (got \"fast\")");
}

TEST_CASE("a URL is taken apart", "[queue]") {
  const auto url = ParseQueueUrl("Redis://me:p%40ss@h1:1,h2:2/3");

  REQUIRE(url);
  CHECK(url->scheme == "redis");
  CHECK(url->user == "me");
  CHECK(url->password == "p@ss");
  CHECK(url->hosts == std::vector<std::string>{"h1:1", "h2:2"});
  CHECK(url->path == "/3");
}

TEST_CASE("a URL of a file has no host", "[queue]") {
  const auto url = ParseQueueUrl("sqlite:///var/lib/jobs.db");

  REQUIRE(url);
  CHECK(url->hosts.empty());
  CHECK(url->path == "/var/lib/jobs.db");
}

TEST_CASE("a bad URL is refused and not repeated", "[queue]") {
  for (const char* text : {"", "secret", "://secret", "a://b:secret%4@c"}) {
    const auto url = ParseQueueUrl(text);
    REQUIRE_FALSE(url);
    CHECK_THAT(url.error().message, !Catch::Contains("secret"));
  }
}

TEST_CASE("hosts and ports are told apart", "[queue]") {
  CHECK(*ParseHostPort("h", 4730) == HostPort{"h", 4730});
  CHECK(*ParseHostPort("h:1", 4730) == HostPort{"h", 1});
  CHECK(*ParseHostPort("[::1]:2", 4730) == HostPort{"::1", 2});
  CHECK(*ParseHostPort("[::1]", 4730) == HostPort{"::1", 4730});
  CHECK(*ParseHostPort(":3", 4730) == HostPort{"127.0.0.1", 3});
  for (const char* text : {"", "h:", "h:x", "h:0", "h:65536", "[::1", "[::1]x", "[::1]:", "h:1x"}) {
    INFO(text);
    CHECK_FALSE(ParseHostPort(text, 4730));
  }
}

TEST_CASE("a prefix stands on the queue and nowhere else", "[queue]") {
  Profile profile;
  profile.queue = MemoryOptions();
  const DriverConfig plain = MakeDriverConfig(profile);
  DriverConfig prefixed = plain;
  prefixed.options.prefix = "shop.";
  const auto producer = Open(prefixed, Role::kProducer);
  const auto consumer = Open(prefixed, Role::kConsumer);
  const auto bare = Open(plain, Role::kConsumer);
  const std::array<Subscription, 1> tasks{Subscription{"resize"}};
  consumer->RegisterTasks(tasks);
  bare->RegisterTasks(tasks);
  Enqueue job;
  job.task = "resize";
  (void)producer->Put(job);
  const Waker waker;
  std::vector<Job> jobs;

  bare->Dequeue(jobs, 1, Duration{0}, waker);
  CHECK(jobs.empty());
  CHECK(bare->Size("shop.resize") == 1U);
  CHECK(producer->Size("resize") == 1U);

  consumer->Dequeue(jobs, 1, Duration{0}, waker);
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].task == "resize");

  Update done;
  done.token = jobs[0].token;
  done.enqueue.push_back(job);
  std::array<Applied, 1> answers{};
  consumer->Apply({&done, 1}, answers);
  CHECK(answers[0] == Applied::kOk);
  CHECK(bare->Size("shop.resize") == 1U);
}

TEST_CASE("a prefix and the set of all tasks exclude each other", "[queue]") {
  DriverConfig config = MemoryConfig();
  config.options.prefix = "shop.";
  const auto consumer = Open(config, Role::kConsumer);
  const std::array<Subscription, 1> tasks{Subscription{"*"}};

  CHECK_THROWS_AS(consumer->RegisterTasks(tasks), Rejected);
}

TEST_CASE("what a profile says reaches the driver", "[queue]") {
  Profile profile;
  profile.name = "thumbs";
  profile.directory = "/etc/thumbs";
  profile.state_dir = "/var/lib/thumbs";
  profile.lease_time = Duration{7'000};
  profile.queue.prefix = "p";

  const DriverConfig config = MakeDriverConfig(profile);

  CHECK(config.profile_name == "thumbs");
  CHECK(config.directory == "/etc/thumbs");
  CHECK(config.state_dir == "/var/lib/thumbs");
  CHECK(config.lease_time == Duration{7'000});
  CHECK(config.options == profile.queue);
}

}  // namespace
}  // namespace workmand
