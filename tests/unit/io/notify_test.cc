#include "daemon/io/notify.h"

#include <array>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

/// A manager that reads when the test says so.
struct Manager {
  std::string name = "@workmand-unit-" + std::to_string(::getpid());
  UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)};

  Manager() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(&address.sun_path[1], name.size() - 1, 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) fd.Reset();
  }
  /// The next datagram; "" = none.
  [[nodiscard]] std::string Read() const {
    std::array<char, 256> text{};
    const ssize_t size = ::recv(fd.get(), text.data(), text.size(), 0);
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
  }
};

}  // namespace

TEST_CASE("the watchdog is ours when no pid or ours is stated", "[io]") {
  const auto ping = [](const char* usec, const char* pid) {
    std::map<std::string, std::string> environment{{"NOTIFY_SOCKET", "/s"}};
    if (usec != nullptr) environment["WATCHDOG_USEC"] = usec;
    if (pid != nullptr) environment["WATCHDOG_PID"] = pid;
    return ReadNotifySettings(environment, 17).watchdog_ping;
  };

  CHECK(ping("3000000", nullptr) == Duration{1'500});
  CHECK(ping("3000000", "17") == Duration{1'500});
  CHECK(ping("3000000", "18") == Duration{0});
  CHECK(ping("3000000", "me") == Duration{0});
  CHECK(ping("1", nullptr) == Duration{1});
  CHECK(ping("0", nullptr) == Duration{0});
  CHECK(ping("-5", nullptr) == Duration{0});
  CHECK(ping("3s", nullptr) == Duration{0});
  CHECK(ping(nullptr, nullptr) == Duration{0});
  CHECK(ReadNotifySettings({{"WATCHDOG_USEC", "5000"}}, 17).watchdog_ping == Duration{0});
}

TEST_CASE("a metronome beats until it is gone and not before its time", "[io]") {
  TestLoop test;
  int beats = 0;
  const TimePoint begun = test.loop.Now();
  {
    const Metronome metronome(test.loop, Duration{20}, [&] { ++beats; });
    REQUIRE(test.Wait([&] { return beats == 3; }));
  }
  CHECK(test.loop.Now() - begun >= Duration{60});

  const Metronome still(test.loop, Duration{0}, [&] { ++beats; });
  test.loop.Run();  // nothing keeps it

  CHECK(beats == 3);
}

TEST_CASE("without a socket nothing is sent", "[io]") {
  TestLoop test;
  Notifier notifier(test.loop, "");

  CHECK_FALSE(notifier.wanted());
  CHECK(notifier.Send("READY=1"));
}

TEST_CASE("a name that is no socket's is an error that names it", "[io]") {
  TestLoop test;
  for (const std::string& name : {std::string("run/notify"), "/" + std::string(200, 'x')}) {
    Notifier notifier(test.loop, name);
    const auto sent = notifier.Send("READY=1");
    REQUIRE_FALSE(sent);
    CHECK(sent.error().message.find(name) != std::string::npos);
  }
}

TEST_CASE("texts for a manager that does not read wait in order and up to a limit", "[io]") {
  TestLoop test;
  const Manager manager;
  REQUIRE(manager.fd);
  Notifier notifier(test.loop, manager.name);
  int sent = 0;
  while (sent < 10'000 && notifier.Send("N=" + std::to_string(sent))) ++sent;
  REQUIRE(sent < 10'000);
  CHECK(notifier.congested());

  // Each look makes room, and the loop fills it.
  int read = 0;
  bool in_order = true;
  REQUIRE(test.Wait([&] {
    for (std::string text = manager.Read(); !text.empty(); text = manager.Read()) {
      in_order = in_order && text == "N=" + std::to_string(read);
      ++read;
    }
    return read >= sent;
  }));

  CHECK(in_order);
  CHECK(read == sent);
  CHECK(notifier.Send("READY=1"));
  CHECK(manager.Read() == "READY=1");
}

}  // namespace workmand::io
