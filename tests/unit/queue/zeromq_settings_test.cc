#include "daemon/queue/drivers/zeromq_settings.h"

#include <array>
#include <utility>

#include <catch2/catch.hpp>

namespace workmand::zeromq {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

DriverConfig Config(const Keys& keys) {
  DriverConfig config;
  config.directory = "/etc/workman";
  for (const auto& [key, text] : keys) config.options.extra[key].text = text;
  return config;
}

std::vector<std::string> Faults(const Keys& keys) {
  std::vector<std::string> faults;
  for (const QueueKeyError& error : CheckZeromqOptions(Config(keys).options)) {
    faults.push_back(error.key + " " + error.sentence);
  }
  return faults;
}

TEST_CASE("workers listen unless they are told to connect", "[zeromq]") {
  const auto settings = ReadSettings(Config({{"pull", "tcp://127.0.0.1:5555"}}));
  const auto other = ReadSettings(Config({{"router", "tcp://[::1]:5555"}, {"bind", "false"}}));

  REQUIRE(settings);
  CHECK(settings->worker_binds);
  CHECK_FALSE(settings->router);
  CHECK(settings->worker_endpoint == "tcp://127.0.0.1:5555");
  REQUIRE(other);
  CHECK_FALSE(other->worker_binds);
  CHECK(other->router);
}

TEST_CASE("callers find on the loopback who listens on every address", "[zeromq]") {
  const auto settings = ReadSettings(Config({{"pull", "tcp://*:5555"}}));

  REQUIRE(settings);
  CHECK(settings->worker_endpoint == "tcp://*:5555");
  CHECK(settings->producer_endpoint == "tcp://127.0.0.1:5555");
}

TEST_CASE("the file of a socket lies beside the profile", "[zeromq]") {
  const auto endpoint = [](const char* text) {
    return ReadSettings(Config({{"router", text}}))->worker_endpoint;
  };
  CHECK(endpoint("ipc://jobs.ipc") == "ipc:///etc/workman/jobs.ipc");
  CHECK(endpoint("ipc:///run/jobs.ipc") == "ipc:///run/jobs.ipc");
  CHECK(endpoint("ipc://@jobs") == "ipc://@jobs");
}

TEST_CASE("a path that no socket can have is refused", "[zeromq]") {
  const auto settings = ReadSettings(Config({{"router", "ipc:///" + std::string(107, 'x')}}));

  REQUIRE_FALSE(settings);
  CHECK_THAT(settings.error().message, Catch::StartsWith("router: the path of the socket is too"));
}

TEST_CASE("keys that cannot be are refused by their name", "[zeromq]") {
  const std::string ipc = "ipc:///run/jobs.ipc";
  for (const auto& [keys, fault] : std::vector<std::pair<Keys, std::string>>{
           {{}, "pull is missing"},
           {{{"pull", ipc}, {"router", ipc}}, "router cannot stand beside \"pull\""},
           {{{"pull", "tcp://127.0.0.1"}}, "pull must be tcp://HOST:PORT"},
           {{{"pull", "tcp://:5555"}}, "pull must be tcp://HOST:PORT"},
           {{{"pull", "tcp://127.0.0.1:0"}}, "pull must name a port"},
           {{{"pull", "tcp://127.0.0.1:*"}}, "pull must name a port"},
           {{{"pull", "tcp://127.0.0.1:70000"}}, "pull must have a port from 1 to 65535"},
           {{{"pull", "tcp://*:5555"}, {"bind", "false"}}, "pull must name a host"},
           {{{"router", "ipc://"}}, "router must name the file"},
           {{{"router", "inproc://x"}}, "router cannot be inproc://"},
           {{{"router", "udp://127.0.0.1:5555"}}, "router must begin with tcp:// or ipc://"},
           {{{"router", ipc}, {"bind", "perhaps"}}, "bind must be one of true and false"},
       }) {
    const std::vector<std::string> faults = Faults(keys);
    CAPTURE(fault);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith(fault));
  }
}

TEST_CASE("an unknown key of ZeroMQ is refused", "[zeromq]") {
  const auto faults = Faults({{"router", "ipc:///run/jobs.ipc"}, {"url", "tcp://127.0.0.1:1"}});

  REQUIRE(faults.size() == 1);
  CHECK_THAT(faults[0], Catch::StartsWith("url "));
}

}  // namespace
}  // namespace workmand::zeromq
