#include "daemon/queue/drivers/gearman_packet.h"

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/queue/drivers/gearman_address.h"
#include "daemon/queue/drivers/gearman_submit.h"
#include "daemon/queue/queue.h"

namespace workmand::gearman {
namespace {

using Taken = PacketReader::Taken;

std::string Request(PacketType type, std::initializer_list<std::string_view> fields) {
  std::string out;
  AppendPacket(out, type, fields);
  return out;
}

/// The same packet as a server would send it.
std::string Reply(PacketType type, std::initializer_list<std::string_view> fields) {
  std::string out = Request(type, fields);
  out.replace(0, 4, std::string_view("\0RES", 4));
  return out;
}

struct Seen {
  PacketType type{};
  std::string body;
  friend bool operator==(const Seen&, const Seen&) = default;
};

/// Everything that can be taken now.
std::vector<Seen> TakeAll(PacketReader& reader) {
  std::vector<Seen> seen;
  Packet packet;
  while (reader.Take(packet) == Taken::kPacket) {
    seen.push_back({packet.type, std::string(packet.body)});
  }
  return seen;
}

std::string Refusal(const Enqueue& job) {
  try {
    RequireSubmittable(job);
  } catch (const Rejected& e) {
    return e.what();
  }
  return {};
}

Enqueue JobFor(std::string task) {
  Enqueue job;
  job.task = std::move(task);
  return job;
}

QueueOptions WithServers(std::vector<std::string> servers) {
  QueueOptions options;
  options.driver = "gearman";
  QueueOptions::Value value;
  value.is_list = true;
  value.list = std::move(servers);
  options.extra["job_servers"] = value;
  return options;
}

QueueOptions WithUrl(std::string url) {
  QueueOptions options;
  options.driver = "gearman";
  options.extra["url"].text = std::move(url);
  return options;
}

TEST_CASE("a request is magic and type and size in network order and fields between NULs",
          "[queue]") {
  const std::string bytes = Request(PacketType::kSubmitBackground, {"task", "", "a\0b"});

  CHECK(bytes == std::string("\0REQ\0\0\0\x12\0\0\0\x07task\0\0a", 19));
}

TEST_CASE("a request without fields has an empty body", "[queue]") {
  CHECK(Request(PacketType::kPreSleep, {}) == std::string("\0REQ\0\0\0\x04\0\0\0\0", 12));
}

TEST_CASE("fields split at the first NULs and the last one keeps its own", "[queue]") {
  std::array<std::string_view, 3> fields;

  REQUIRE(SplitFields(std::string_view("H:x:1\0task\0pay\0load", 19), fields));

  CHECK(fields[0] == "H:x:1");
  CHECK(fields[1] == "task");
  CHECK(fields[2] == std::string_view("pay\0load", 8));
}

TEST_CASE("a body with too few fields does not split", "[queue]") {
  std::array<std::string_view, 3> fields;

  CHECK_FALSE(SplitFields(std::string_view("H:x:1\0task", 10), fields));
  CHECK_FALSE(SplitFields("", fields));
}

TEST_CASE("a stream gives the same packets wherever it is cut", "[queue]") {
  const std::string stream = Reply(PacketType::kNoop, {}) +
                             Reply(PacketType::kJobAssign, {"H:x:1", "task", "", "payload"}) +
                             Reply(PacketType::kEchoReply, {"x"});
  PacketReader whole;
  whole.Feed(stream);
  const std::vector<Seen> expected = TakeAll(whole);
  REQUIRE(expected.size() == 3);

  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    PacketReader reader;
    reader.Feed(std::string_view{stream}.substr(0, cut));
    std::vector<Seen> seen = TakeAll(reader);
    reader.Feed(std::string_view{stream}.substr(cut));
    for (Seen& packet : TakeAll(reader)) seen.push_back(std::move(packet));

    INFO("cut at " << cut);
    REQUIRE(seen == expected);
  }
}

TEST_CASE("packets larger than a read and packets behind them come through", "[queue]") {
  const std::string large(3'000'000, 'x');
  const std::string stream =
      Reply(PacketType::kWorkComplete, {"H:x:1", large}) + Reply(PacketType::kNoop, {});
  PacketReader reader;
  std::vector<Seen> seen;

  for (std::size_t at = 0; at < stream.size(); at += 100'000) {
    reader.Feed(std::string_view{stream}.substr(at, 100'000));
    for (Seen& packet : TakeAll(reader)) seen.push_back(std::move(packet));
  }

  REQUIRE(seen.size() == 2);
  CHECK(seen[0].body == std::string("H:x:1\0", 6) + large);
  CHECK(seen[1].type == PacketType::kNoop);
}

TEST_CASE("a body of exactly the limit is taken and one byte more breaks the stream", "[queue]") {
  PacketReader exact(8);
  exact.Feed(Reply(PacketType::kEchoReply, {"12345678"}));
  PacketReader over(8);
  // The header is enough: nothing waits for a body that would be refused.
  over.Feed(Reply(PacketType::kEchoReply, {"123456789"}).substr(0, kHeaderBytes));
  Packet packet;

  CHECK(exact.Take(packet) == Taken::kPacket);
  CHECK(over.Take(packet) == Taken::kBroken);
  CHECK(over.error() == "sent a packet of 9 bytes; the limit is 8");
}

TEST_CASE("a promise of four gigabytes is refused without memory for it", "[queue]") {
  PacketReader reader;
  reader.Feed(std::string_view("\0RES\0\0\0\x11\xff\xff\xff\xff", 12));
  Packet packet;

  CHECK(reader.Take(packet) == Taken::kBroken);
  CHECK(reader.Space().size() < 1'000'000);
}

TEST_CASE("something else than Gearman is told by its first byte", "[queue]") {
  PacketReader reader;
  reader.Feed("-");
  Packet packet;

  CHECK(reader.Take(packet) == Taken::kBroken);
  CHECK(reader.error() == "does not speak the Gearman protocol (a packet begins with 2d)");
}

TEST_CASE("a broken stream stays broken", "[queue]") {
  PacketReader reader;
  reader.Feed("HTTP/1.1 400 Bad Request\r\n");
  Packet packet;
  REQUIRE(reader.Take(packet) == Taken::kBroken);

  reader.Feed(Reply(PacketType::kNoop, {}));

  CHECK(reader.Take(packet) == Taken::kBroken);
}

TEST_CASE("a request coming back is no reply", "[queue]") {
  PacketReader reader;
  reader.Feed(Request(PacketType::kNoop, {}));
  Packet packet;

  CHECK(reader.Take(packet) == Taken::kBroken);
}

TEST_CASE("random bytes and damaged streams never give a packet over the limit", "[queue]") {
  constexpr std::uint32_t kSeed = 20'260'801;
  std::mt19937 random(kSeed);
  const std::string good = Reply(PacketType::kJobAssign, {"H:x:1", "task", "u", "payload"}) +
                           Reply(PacketType::kNoJob, {});
  std::size_t broken = 0;

  for (int round = 0; round < 2'000; ++round) {
    std::string bytes = good + good;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random() & 0xFFU);
    }
    PacketReader reader(1'024);
    Packet packet;
    Taken taken = Taken::kNeedMore;
    for (std::size_t at = 0; at < bytes.size(); at += 7) {
      reader.Feed(std::string_view{bytes}.substr(at, 7));
      while ((taken = reader.Take(packet)) == Taken::kPacket) REQUIRE(packet.body.size() <= 1'024);
    }
    broken += taken == Taken::kBroken ? 1U : 0U;
  }

  CHECK(broken > 0);
}

TEST_CASE("a submit packet follows the priority and whether somebody waits", "[queue]") {
  Enqueue job = JobFor("t");
  job.unique = "u";
  job.payload = "p";
  const auto type_of = [&job](Priority priority, bool background) {
    job.priority = priority;
    std::string out;
    AppendSubmit(out, job, background);
    CHECK(out.substr(kHeaderBytes) == std::string("t\0u\0p", 5));
    return static_cast<PacketType>(out[7]);
  };

  CHECK(type_of(Priority::kLow, false) == PacketType::kSubmitLow);
  CHECK(type_of(Priority::kNormal, false) == PacketType::kSubmit);
  CHECK(type_of(Priority::kHigh, false) == PacketType::kSubmitHigh);
  CHECK(type_of(Priority::kLow, true) == PacketType::kSubmitLowBackground);
  CHECK(type_of(Priority::kNormal, true) == PacketType::kSubmitBackground);
  CHECK(type_of(Priority::kHigh, true) == PacketType::kSubmitHighBackground);
}

TEST_CASE("what Gearman cannot do is refused with the reason", "[queue]") {
  Enqueue delayed = JobFor("t");
  delayed.delay = Duration{1};
  Enqueue limited = JobFor("t");
  limited.max_attempts = 1;
  Enqueue keyed = JobFor("t");
  keyed.unique = std::string(64, 'u');
  Enqueue large = JobFor("t");
  large.payload = std::string(kMaxPayload + 1, 'x');

  CHECK(Refusal(JobFor("t")).empty());
  CHECK(Refusal(delayed).find("no delayed jobs") != std::string::npos);
  CHECK(Refusal(limited).find("no limit of attempts") != std::string::npos);
  CHECK(Refusal(keyed) == "a gearman unique key has at most 63 bytes (got 64)");
  CHECK(Refusal(large).find("at most 67106816 bytes") != std::string::npos);
  CHECK(Refusal(JobFor("")) == "a gearman job needs the name of a task");
  CHECK(Refusal(JobFor(std::string("a\0b", 3))) == "a gearman task name cannot hold a NUL byte");
  CHECK(Refusal(JobFor(std::string(513, 't'))).find("at most 512 bytes") != std::string::npos);
}

TEST_CASE("an error that is a JSON object stays as it is", "[queue]") {
  CHECK(ErrorObject(R"({"message":"boom"})") == R"({"message":"boom"})");
}

TEST_CASE("an error that is a text becomes the message of an object", "[queue]") {
  CHECK(ErrorObject("") == R"({"message":""})");
  CHECK(ErrorObject("a \"b\" \\ c\n") == R"({"message":"a \"b\" \\ c\u000a"})");
  CHECK(ErrorObject("caf\xc3\xa9") == "{\"message\":\"caf\xc3\xa9\"}");
  CHECK(ErrorObject("caf\xe9") == R"({"message":"caf\u00e9"})");
  CHECK(ErrorObject("\xe2\x82") == R"({"message":"\u00e2\u0082"})");
}

TEST_CASE("without keys the server is the local one", "[queue]") {
  const ServerList list = ReadServers(QueueOptions{});

  REQUIRE(list.servers.size() == 1);
  CHECK(ToString(list.servers[0]) == "127.0.0.1:4730");
}

TEST_CASE("servers keep their order and are named once", "[queue]") {
  const ServerList list = ReadServers(WithServers({"b:1", "[::1]", "b:1", "a"}));

  REQUIRE(list.errors.empty());
  REQUIRE(list.servers.size() == 3);
  CHECK(ToString(list.servers[0]) == "b:1");
  CHECK(ToString(list.servers[1]) == "[::1]:4730");
  CHECK(ToString(list.servers[2]) == "a:4730");
}

TEST_CASE("a URL names the servers like the list does", "[queue]") {
  const ServerList list = ReadServers(WithUrl("gearman://a:1,[::1]:2"));

  REQUIRE(list.errors.empty());
  REQUIRE(list.servers.size() == 2);
  CHECK(ToString(list.servers[0]) == "a:1");
  CHECK(ToString(list.servers[1]) == "[::1]:2");
}

TEST_CASE("a bad server is an error of its key", "[queue]") {
  const auto key_of_error = [](const QueueOptions& options) {
    const ServerList list = ReadServers(options);
    return list.errors.size() == 1 ? list.errors[0].key : "none or several";
  };

  CHECK(key_of_error(WithServers({"a:b"})) == "job_servers");
  CHECK(key_of_error(WithServers({"a:70000"})) == "job_servers");
  CHECK(key_of_error(WithServers({})) == "job_servers");
  CHECK(key_of_error(WithUrl("redis://a")) == "url");
  CHECK(key_of_error(WithUrl("gearman://user@a")) == "url");
  CHECK(key_of_error(WithUrl("gearman://a/path")) == "url");
  CHECK(key_of_error(WithUrl("gearman://")) == "url");
  CHECK(key_of_error(WithUrl("a:4730")) == "url");
}

TEST_CASE("a URL beside a list of servers is refused", "[queue]") {
  QueueOptions both = WithServers({"a"});
  both.extra["url"].text = "gearman://b";

  const ServerList list = ReadServers(both);

  REQUIRE(list.errors.size() == 1);
  CHECK(list.errors[0].key == "job_servers");
}

}  // namespace
}  // namespace workmand::gearman
