#include "daemon/io/attach.h"

#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

struct Server {
  explicit Server(TestLoop& test, bool for_all = false) {
    auto made =
        AttachServer::Listen(test.loop, folder.path + "/s", for_all,
                             [this](AttachServer::Peer peer) { peers.push_back(std::move(peer)); });
    REQUIRE(made);
    server = std::move(*made);
  }
  TempFolder folder;
  std::vector<AttachServer::Peer> peers;
  std::unique_ptr<AttachServer> server;
};

mode_t ModeOf(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 0777U : 0;
}

}  // namespace

TEST_CASE("a connection is handed over behind its first line", "[io]") {
  TestLoop test;
  Server server(test);
  const Client client(test.loop, server.server->path());
  REQUIRE(client.Say("who I am\nthe rest"));

  REQUIRE(test.Wait([&] { return server.peers.size() == 1; }));

  const AttachServer::Peer& peer = server.peers.front();
  CHECK(peer.line == "who I am");
  CHECK(peer.pid == ::getpid());
  char bytes[64];
  CHECK(std::string(bytes, static_cast<std::size_t>(::read(peer.socket.get(), bytes, 64))) ==
        "the rest");
}

TEST_CASE("a first line may come in pieces", "[io]") {
  TestLoop test;
  Server server(test);
  const Client client(test.loop, server.server->path());
  REQUIRE(client.Say("who "));
  const Client second(test.loop, server.server->path());
  REQUIRE(second.Say("second\n"));
  REQUIRE(test.Wait([&] { return server.peers.size() == 1; }));
  CHECK(server.peers.front().line == "second");
  REQUIRE(client.Say("I am\n"));

  REQUIRE(test.Wait([&] { return server.peers.size() == 2; }));

  CHECK(server.peers.back().line == "who I am");
}

TEST_CASE("a first line without an end closes the connection", "[io]") {
  TestLoop test;
  Server server(test);
  const Client client(test.loop, server.server->path());
  REQUIRE(client.Say(std::string(AttachServer::kMaxLine + 1, 'x')));

  REQUIRE(test.Wait([&] { return client.ended(); }));

  CHECK(server.peers.empty());
}

TEST_CASE("the socket of workers is ours or everybody's and goes with the server", "[io]") {
  TestLoop test;
  const bool for_all = GENERATE(false, true);
  Server server(test, for_all);
  const std::string path = server.server->path();
  CHECK(ModeOf(path) == (for_all ? 0666U : 0600U));

  server.server.reset();

  CHECK(ModeOf(path) == 0);
}

TEST_CASE("a path that cannot be bound is named", "[io]") {
  TestLoop test;
  const auto made = AttachServer::Listen(test.loop, "/nowhere/s", false, {});
  REQUIRE_FALSE(made);
  CHECK(made.error().message == "cannot listen on /nowhere/s: No such file or directory");
}

}  // namespace workmand::io
