// The pipe on descriptor 3, and the moment in which the command runs.
#include <csignal>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {

TEST_CASE("what a child writes to descriptor 3 arrives before its end", "[io]") {
  TestLoop test;
  Recorded seen;
  std::string side;
  ChildEvents events = seen.Events();
  events.on_side = [&](std::string_view bytes) {
    side += bytes;
    CHECK_FALSE(seen.gone());
  };
  ChildSpec spec =
      Shell("echo one >&3; printf out; echo two >&3; ls /proc/self/fd | tail -n 1 >&2");
  spec.side_pipe = true;
  auto started = Child::Spawn(test.loop, spec, std::move(events));
  REQUIRE(started);
  seen.child = std::move(*started);

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(side == "one\ntwo\n");
  CHECK(seen.out == "out");
  CHECK(seen.err == "4\n");  // 3 and the folder that ls reads: the launch report is closed
}

TEST_CASE("without a side pipe descriptor 3 is closed", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("(echo x >&3) 2>/dev/null || echo closed")));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "closed\n");
}

TEST_CASE("the start is told once the command runs and never when it cannot", "[io]") {
  for (const std::string program : {"cat", "/no/such/program"}) {
    TestLoop test;
    Recorded seen;
    int starts = 0;
    ChildEvents events = seen.Events();
    events.on_started = [&] {
      ++starts;
      seen.child->CloseStdin();
    };
    auto started = Child::Spawn(test.loop, SpecOf({program}), std::move(events));
    REQUIRE(started);
    seen.child = std::move(*started);

    REQUIRE(test.Wait([&] { return seen.gone(); }));

    CHECK(starts == (program == "cat" ? 1 : 0));
    CHECK(seen.status->ToString() ==
          (program == "cat" ? "exit 0" : "cannot execute: No such file or directory"));
  }
}

TEST_CASE("the grace for a held stdout is that of the specification", "[io]") {
  TestLoop test;
  Recorded seen;
  ChildSpec spec = Shell("sleep 30 & printf hi");
  spec.pipe_grace = Duration{700};
  REQUIRE(seen.Start(test.loop, spec));
  const TimePoint before = test.loop.Now();

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  ::kill(-seen.child->pid(), SIGKILL);

  CHECK(seen.out == "hi");
  CHECK(test.loop.Now() - before >= spec.pipe_grace);
}

}  // namespace workmand::io
