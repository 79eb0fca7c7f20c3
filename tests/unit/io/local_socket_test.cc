#include "daemon/io/local_socket.h"

#include <fstream>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/io/socket_place.h"
#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

constexpr std::size_t kMaxLine = 1024;

/// A server that answers "LINE" with "re LINE", and records.
struct EchoServer {
  explicit EchoServer(Loop& loop, const std::string& path, std::size_t max_line = kMaxLine) {
    LineServer::Events events;
    events.on_line = [this](ConnectionId id, std::string_view line) {
      lines[id].emplace_back(line);
      if (answers) server->Send(id, "re " + std::string(line));
    };
    events.on_closed = [this](ConnectionId id) { closed.push_back(id); };
    auto listening = LineServer::Listen(loop, path, max_line, std::move(events));
    if (listening) {
      server = std::move(*listening);
    } else {
      error = listening.error();
    }
  }
  std::unique_ptr<LineServer> server;
  Error error;
  std::map<ConnectionId, std::vector<std::string>> lines;
  std::vector<ConnectionId> closed;
  bool answers = true;
};

mode_t ModeOf(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0 ? found.st_mode : 0;
}

}  // namespace

TEST_CASE("two clients that talk in turns each get their own answers", "[io]") {
  const TempFolder folder;
  TestLoop test;
  EchoServer echo(test.loop, folder.path + "/s");
  REQUIRE(echo.server);
  Client one(test.loop, folder.path + "/s");
  Client two(test.loop, folder.path + "/s");
  REQUIRE(one.Say("a1\na"));
  REQUIRE(two.Say("b1\n"));
  REQUIRE(test.Wait([&] { return !one.heard().empty() && !two.heard().empty(); }));
  REQUIRE(one.Say("2\na3\n"));
  REQUIRE(two.Say("b2\n"));

  CHECK(test.Wait([&] { return one.heard() == "re a1\nre a2\nre a3\n"; }));
  CHECK(test.Wait([&] { return two.heard() == "re b1\nre b2\n"; }));
  CHECK(echo.closed.empty());
}

TEST_CASE("a client that goes away is announced once", "[io]") {
  const TempFolder folder;
  TestLoop test;
  EchoServer echo(test.loop, folder.path + "/s");
  Client client(test.loop, folder.path + "/s");
  echo.answers = false;
  REQUIRE(client.Say("wait\n"));
  REQUIRE(test.Wait([&] { return echo.lines[1].size() == 1; }));

  client.Close();

  REQUIRE(test.Wait([&] { return !echo.closed.empty(); }));
  CHECK(echo.closed == std::vector<ConnectionId>{1});
  CHECK_FALSE(echo.server->Send(1, "late"));
}

TEST_CASE("a client that only ends its sending still gets its answer", "[io]") {
  const TempFolder folder;
  TestLoop test;
  EchoServer echo(test.loop, folder.path + "/s");
  Client client(test.loop, folder.path + "/s");
  echo.answers = false;
  REQUIRE(client.Say("slow\n"));
  client.EndSending();
  REQUIRE(test.Wait([&] { return echo.lines[1].size() == 1; }));
  bool later = false;
  Timer answer(test.loop, [&] { later = echo.server->Send(1, "done"); });
  answer.Set(After(test.loop.Now(), Duration{10}));

  REQUIRE(test.Wait([&] { return client.ended(); }));

  CHECK(later);
  CHECK(client.heard() == "done\n");
  CHECK(test.Wait([&] { return echo.closed.size() == 1; }));
}

TEST_CASE("a line of the limit passes and a longer one closes its connection", "[io]") {
  const TempFolder folder;
  TestLoop test;
  EchoServer echo(test.loop, folder.path + "/s");
  Client good(test.loop, folder.path + "/s");
  Client bad(test.loop, folder.path + "/s");
  const std::string longest(kMaxLine, 'x');
  REQUIRE(good.Say(longest + "\n"));
  REQUIRE(bad.Say(longest + "x"));

  REQUIRE(test.Wait([&] { return bad.ended() && !good.heard().empty(); }));

  CHECK(good.heard() == "re " + longest + "\n");
  CHECK(bad.heard().empty());
  CHECK(echo.closed == std::vector<ConnectionId>{2});
}

TEST_CASE("an answer of several MiB arrives whole before a close", "[io]") {
  const TempFolder folder;
  TestLoop test;
  EchoServer echo(test.loop, folder.path + "/s");
  Client client(test.loop, folder.path + "/s");
  echo.answers = false;
  REQUIRE(client.Say("give\n"));
  REQUIRE(test.Wait([&] { return echo.lines[1].size() == 1; }));
  const std::string big(std::size_t{3} << 20U, 'b');

  CHECK(echo.server->Send(1, big));
  CHECK(echo.server->Send(1, "end"));
  echo.server->Close(1);
  CHECK_FALSE(echo.server->Send(1, "too late"));

  REQUIRE(test.Wait([&] { return client.ended(); }));
  CHECK(client.heard() == big + "\nend\n");
}

TEST_CASE("a client that does not read is closed at the limit", "[io]") {
  const TempFolder folder;
  TestLoop test;
  EchoServer echo(test.loop, folder.path + "/s");
  Client client(test.loop, folder.path + "/s");
  echo.answers = false;
  REQUIRE(client.Say("flood me\n"));
  REQUIRE(test.Wait([&] { return echo.lines[1].size() == 1; }));
  client.StopReading();
  const std::string chunk(std::size_t{1} << 20U, 'c');

  int sent = 0;
  while (sent < 20 && echo.server->Send(1, chunk)) ++sent;

  CHECK(sent >= 8);
  CHECK(sent < 12);
  CHECK(echo.closed.empty());  // never within Send
  CHECK(test.Wait([&] { return echo.closed.size() == 1; }));
}

TEST_CASE("the socket and its lock are for the owner alone and go with the server", "[io]") {
  const TempFolder folder;
  const std::string path = folder.path + "/deep/er/s";
  TestLoop test;
  {
    const EchoServer echo(test.loop, path);
    REQUIRE(echo.server);
    CHECK(ModeOf(path) == (S_IFSOCK | 0600U));
    CHECK(ModeOf(path + ".lock") == (S_IFREG | 0600U));
    CHECK(ModeOf(folder.path + "/deep") == (S_IFDIR | 0700U));
    CHECK(ModeOf(folder.path + "/deep/er") == (S_IFDIR | 0700U));
  }
  CHECK(ModeOf(path) == 0);
  CHECK(ModeOf(path + ".lock") == 0);
}

TEST_CASE("a second server is refused and told the pid of the first", "[io]") {
  const TempFolder folder;
  TestLoop test;
  const EchoServer first(test.loop, folder.path + "/s");

  const EchoServer second(test.loop, folder.path + "/s");

  CHECK(first.server);
  CHECK_FALSE(second.server);
  CHECK(second.error.code == ErrorCode::kRefused);
  CHECK(second.error.message == "already running (pid " + std::to_string(::getpid()) + ")");
  const Client client(test.loop, folder.path + "/s");
  CHECK(client.connected());
}

TEST_CASE("a socket and a lock file left by a dead server are replaced", "[io]") {
  const TempFolder folder;
  const std::string path = folder.path + "/s";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  {
    const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  }
  std::ofstream(path + ".lock") << "999999999\n";
  TestLoop test;

  const EchoServer echo(test.loop, path);

  CHECK(echo.server);
  CHECK(Client(test.loop, path).connected());
}

TEST_CASE("a path that holds something else or is too long is refused", "[io]") {
  const TempFolder folder;
  std::ofstream(folder.path + "/precious") << "data";
  TestLoop test;

  const EchoServer file(test.loop, folder.path + "/precious");
  const EchoServer long_path(test.loop, folder.path + "/" + std::string(100, 's'));

  CHECK(file.error.code == ErrorCode::kRefused);
  CHECK(file.error.message == folder.path + "/precious exists and is not a socket");
  CHECK(std::filesystem::file_size(folder.path + "/precious") == 4);
  CHECK(long_path.error.code == ErrorCode::kInvalid);
}

TEST_CASE("a shared fallback folder is refused unless it is private", "[io]") {
  const TempFolder folder;
  const std::string name = "workman-" + std::to_string(::geteuid());
  const std::string place = folder.path + "/" + name;
  TestLoop test;
  {
    const EchoServer made(test.loop, place + "/s");
    CHECK(made.server);
  }
  REQUIRE(::chmod(place.c_str(), 0750) == 0);
  const EchoServer open(test.loop, place + "/s");
  CHECK(open.error.code == ErrorCode::kRefused);
  CHECK(open.error.message == place + " is open to other users (its mode must be 0700)");

  std::filesystem::remove_all(place);
  std::filesystem::create_directory_symlink(folder.path, place);
  const EchoServer link(test.loop, place + "/s");
  CHECK(link.error.message == place + " is not a folder");
}

TEST_CASE("a folder of another user is not private", "[io]") {
  const auto checked = CheckPrivateFolder("/proc/1");
  const TempFolder folder;

  CHECK(CheckPrivateFolder(folder.path));
  if (::geteuid() != 0) {
    CHECK_FALSE(checked);
  } else {
    REQUIRE(::chown(folder.path.c_str(), 65534, 65534) == 0);
    CHECK(CheckPrivateFolder(folder.path).error().message ==
          folder.path + " belongs to another user (uid 65534)");
  }
}

TEST_CASE("a server may be destroyed in each of its events", "[io]") {
  const bool in_line = GENERATE(true, false);
  const TempFolder folder;
  TestLoop test;
  std::unique_ptr<LineServer> server;
  bool destroyed = false;
  LineServer::Events events;
  const std::string captured(100, 'x');
  const auto destroy = [&, captured] {
    server.reset();
    destroyed = captured.size() == 100;
  };
  events.on_line = [&](ConnectionId id, std::string_view) {
    server->Send(id, std::string(std::size_t{4} << 20U, 'p'));  // a write is pending
    if (in_line) destroy();
  };
  events.on_closed = [&](ConnectionId) { destroy(); };
  auto listening = LineServer::Listen(test.loop, folder.path + "/s", kMaxLine, std::move(events));
  REQUIRE(listening);
  server = std::move(*listening);
  Client client(test.loop, folder.path + "/s");
  REQUIRE(client.Say("first\nsecond\n"));
  if (!in_line) client.Close();

  CHECK(test.Wait([&] { return destroyed; }));
}

}  // namespace workmand::io
