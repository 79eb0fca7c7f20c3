#include "daemon/queue/drivers/kafka_settings.h"

#include <utility>

#include <catch2/catch.hpp>

namespace workmand::kafka {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

DriverConfig Config(const Keys& keys) {
  DriverConfig config;
  config.profile_name = "thumbs";
  for (const auto& [key, text] : keys) config.options.extra[key].text = text;
  return config;
}

std::vector<std::string> Faults(const Keys& keys) {
  std::vector<std::string> faults;
  for (const QueueKeyError& error : CheckKafkaOptions(Config(keys).options)) {
    faults.push_back(error.key + " " + error.sentence);
  }
  return faults;
}

TEST_CASE("a topic and a group have names without being told", "[kafka]") {
  const auto settings = ReadSettings(Config({}));

  REQUIRE(settings);
  CHECK(settings->brokers == "127.0.0.1:9092");
  CHECK(settings->topic == "workman.thumbs");
  CHECK(settings->RetryTopic() == "workman.thumbs.retry");
  CHECK(settings->DeadTopic() == "workman.thumbs.dead");
  CHECK(settings->group == "workmand");
  CHECK(settings->session_timeout == Duration{10'000});
}

TEST_CASE("a profile's name becomes the name of a topic", "[kafka]") {
  DriverConfig config;
  config.profile_name = "a b/\xC3\xBC";
  const auto settings = ReadSettings(config);

  REQUIRE(settings);
  CHECK(settings->topic == "workman.a_b___");
}

TEST_CASE("brokers get the port that they are not given", "[kafka]") {
  const auto settings = ReadSettings(Config({{"url", "kafka://a,b:9093,[::1]"}}));

  REQUIRE(settings);
  CHECK(settings->brokers == "a:9092,b:9093,[::1]:9092");
}

TEST_CASE("keys of kafka that cannot be are told", "[kafka]") {
  CHECK(Faults({{"url", "amqp://a"}}) ==
        std::vector<std::string>{"url must begin with kafka:// (got amqp://)"});
  CHECK(Faults({{"url", "kafka://me:secret@a"}}) ==
        std::vector<std::string>{
            "url has a user or a password: neither SASL nor TLS is served; use a listener of the "
            "cluster without them, in a network of its own"});
  CHECK(Faults({{"url", "kafka://a/topic"}}) ==
        std::vector<std::string>{"url must end after the brokers: topic and group have keys"});
  CHECK(Faults({{"topic", "a b"}}) ==
        std::vector<std::string>{
            "topic \"a b\" is not the name of a topic: letters, digits, and . _ - only"});
  CHECK(Faults({{"topic", ".."}}).size() == 1);
  CHECK(Faults({{"topic", std::string(243, 'x')}}).empty());
  CHECK(Faults({{"topic", std::string(244, 'x')}}) ==
        std::vector<std::string>{
            "topic is longer than 243 bytes: Kafka takes 249, and \".retry\" stands behind it"});
  CHECK(Faults({{"group", ""}}) == std::vector<std::string>{"group must not be empty"});
  CHECK(Faults({{"session_timeout", "10ms"}}) ==
        std::vector<std::string>{"session_timeout must be between 1s and 5m"});
  CHECK(Faults({{"topics", "x"}}).size() == 1);
}

}  // namespace
}  // namespace workmand::kafka
