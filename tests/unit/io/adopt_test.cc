// Children that somebody else has started. Here the test itself forks them, beside libuv.
#include <csignal>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/io/orphans.h"
#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

/// A process with a socket to us that runs `work` and exits with what it returns.
AdoptedChild Fork(const std::function<int(int channel)>& work) {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    ::_exit(work(ends[1]));
  }
  ::close(ends[1]);
  return {pid, UniqueFd(ends[0]), {}};
}

int Echo(int channel) {
  char bytes[256];
  ssize_t size = 0;
  while ((size = ::read(channel, bytes, sizeof(bytes))) > 0) {
    if (::write(channel, bytes, static_cast<std::size_t>(size)) != size) return 1;
  }
  return ::write(channel, "end", 3) == 3 ? 7 : 1;
}

int Wait(int /*channel*/) {
  while (true) ::pause();
}

bool Adopt(TestLoop& test, Recorded& seen, AdoptedChild child) {
  auto adopted = Child::Adopt(test.loop, std::move(child), Duration{250}, seen.Events());
  if (!adopted) {
    seen.err = adopted.error().message;
    return false;
  }
  seen.child = std::move(*adopted);
  return true;
}

}  // namespace

TEST_CASE("an adopted child is read and written and closed through one socket", "[io][bare]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(Adopt(test, seen, Fork(Echo)));
  seen.child->Write("hello\n");
  seen.child->Flush();
  REQUIRE(test.Wait([&] { return seen.out == "hello\n"; }));
  CHECK(seen.child->bytes_written() == 6);

  seen.child->CloseStdin();

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.out == "hello\nend");
  CHECK(seen.status->ToString() == "exit 7");
  CHECK(seen.order == std::vector<std::string>{"eof", "gone"});
  CHECK(::waitpid(seen.child->pid(), nullptr, WNOHANG) == -1);
}

TEST_CASE("the status of an adopted child is its own although orphans are reaped", "[io][bare]") {
  TestLoop test;
  const OrphanReaper reaper(test.loop, [](pid_t, const ExitStatus&) { FAIL("not its affair"); });
  Recorded seen;
  REQUIRE(Adopt(test, seen, Fork(Wait)));

  SECTION("a signal") {
    seen.child->Signal(SIGTERM);
  }
  SECTION("a signal to its group, where it leads none") {
    seen.child->SignalGroup(SIGTERM);
  }

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.status->ToString() == "signal 15 (SIGTERM)");
}

TEST_CASE("what an adopted child wrote is read although it left our words unread", "[io][bare]") {
  TestLoop test;
  Recorded seen;
  AdoptedChild child = Fork([](int channel) {
    char one = 0;
    if (::recv(channel, &one, 1, MSG_PEEK) != 1) return 1;
    return ::write(channel, "last", 4) == 4 ? 0 : 1;
  });
  const bool taken = Adopt(test, seen, std::move(child));
  REQUIRE(taken);
  seen.child->Write("never read");
  seen.child->Flush();

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "last");
  CHECK(seen.status->ToString() == "exit 0");
}

TEST_CASE("an adopted child that has ended and was reaped is refused", "[io][bare]") {
  TestLoop test;
  Recorded seen;
  AdoptedChild child = Fork([](int) { return 0; });
  REQUIRE(::waitpid(child.pid, nullptr, 0) == child.pid);

  const bool taken = Adopt(test, seen, std::move(child));
  CHECK_FALSE(taken);

  CHECK(seen.err == "it ended before it could be taken in");
}

TEST_CASE("of another's child the end is seen and the status is not", "[io][bare]") {
  TestLoop test;
  Recorded parent;
  REQUIRE(parent.Start(test.loop, Shell("sleep 600 & echo $!; wait $!; cat")));
  REQUIRE(test.Wait([&] { return parent.out.ends_with('\n'); }));
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd theirs(ends[1]);
  Recorded seen;
  REQUIRE(Adopt(test, seen, {std::stoi(parent.out), UniqueFd(ends[0]), {}}));

  seen.child->Signal(SIGKILL);

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.status->unknown);
  parent.child->CloseStdin();
  REQUIRE(test.Wait([&] { return parent.gone(); }));
}

TEST_CASE("an adopted child dies with its owner", "[io][bare]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(Adopt(test, seen, Fork(Wait)));
  const pid_t pid = seen.child->pid();

  seen.child.reset();

  int how = 0;
  REQUIRE(::waitpid(pid, &how, 0) == pid);
  CHECK(WTERMSIG(how) == SIGKILL);
}

}  // namespace workmand::io
