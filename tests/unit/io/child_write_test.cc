#include <cerrno>
#include <csignal>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

constexpr std::size_t kMiB = std::size_t{1024} * 1024;

}  // namespace

TEST_CASE("what is written comes back in order from an echo", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, SpecOf({"cat"})));
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    expected += line;
    seen.child->Write(line);
    if (i % 7 == 0) seen.child->Flush();
  }

  seen.child->CloseStdin();

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.out == expected);
}

TEST_CASE("nothing is written before a flush", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, SpecOf({"cat"})));

  seen.child->buffer() += "abc";

  CHECK(seen.child->bytes_queued() == 3);
  CHECK(seen.child->bytes_written() == 0);
  seen.child->Flush();
  CHECK(seen.child->bytes_written() == 3);
  CHECK(seen.child->buffer().empty());
}

TEST_CASE("a MiB waits for a child that reads late and the counters are exact", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("kill -STOP $$; exec wc -c")));

  seen.child->Write(std::string(kMiB, 'x'));
  seen.child->Flush();
  const std::uint64_t pipe_takes = seen.child->bytes_written();
  seen.child->Write("tail\n");
  seen.child->Flush();
  seen.child->CloseStdin();
  CHECK(pipe_takes > 0);
  CHECK(pipe_takes < kMiB);
  CHECK(seen.child->bytes_written() == pipe_takes);
  CHECK(seen.child->bytes_queued() == kMiB + 5);

  // The child stops itself at a moment of its own: it is woken until it goes on.
  Timer wake(test.loop, [&] {
    seen.child->Signal(SIGCONT);
    wake.Set(After(test.loop.Now(), Duration{5}));
  });
  wake.Set(test.loop.Now());
  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == std::to_string(kMiB + 5) + "\n");
  CHECK(seen.child->bytes_written() == kMiB + 5);
  CHECK(seen.write_error == 0);
}

TEST_CASE("a child that closed its input is told once and counts no lost byte as written", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("exec 0<&-; echo closed; exec sleep 30")));
  REQUIRE(test.Wait([&] { return !seen.out.empty(); }));

  seen.child->Write("job\n");
  seen.child->Flush();
  CHECK(seen.write_error == 0);  // never within Flush
  REQUIRE(test.Wait([&] { return seen.write_error != 0; }));
  seen.child->Write("another\n");
  seen.child->Flush();

  CHECK(seen.write_error == EPIPE);
  CHECK(seen.child->bytes_written() == 0);
  CHECK(seen.child->bytes_queued() == 12);
  seen.child->Signal(SIGTERM);
  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.order == std::vector<std::string>{"write error", "eof", "gone"});
}

TEST_CASE("a write cut by the child's death counts what the pipe took", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("head -c 100000 | wc -c; kill -KILL $$")));
  seen.child->Write(std::string(kMiB, 'x'));
  seen.child->Flush();

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "100000\n");
  CHECK(seen.child->bytes_queued() == kMiB);
  CHECK(seen.child->bytes_written() >= 100'000);
  CHECK(seen.child->bytes_written() < kMiB);
}

TEST_CASE("abandoning stdin drops what is pending and is no error", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("kill -STOP $$; exec wc -c")));
  seen.child->Write(std::string(kMiB, 'x'));
  seen.child->Flush();

  const std::uint64_t pipe_took = seen.child->bytes_written();
  seen.child->AbandonStdin();
  Timer wake(test.loop, [&] {
    seen.child->Signal(SIGCONT);
    wake.Set(After(test.loop.Now(), Duration{5}));
  });
  wake.Set(test.loop.Now());
  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == std::to_string(pipe_took) + "\n");
  CHECK(seen.write_error == 0);
  CHECK(seen.child->bytes_queued() == kMiB);
  CHECK(seen.child->bytes_written() == pipe_took);
}

TEST_CASE("closing an idle stdin is seen at once", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, SpecOf({"cat"})));

  seen.child->CloseStdin();
  seen.child->CloseStdin();

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.status->ToString() == "exit 0");
}

TEST_CASE("a pause holds the output back and loses nothing of it", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(
      seen.Start(test.loop, Shell("head -c 200000 /dev/zero; echo sent >&2; exec 2>&-; read x")));
  seen.child->PauseReading(true);
  Timer idle(test.loop, [&] { seen.order.emplace_back("idle"); });
  idle.Set(After(test.loop.Now(), Duration{50}));

  REQUIRE(test.Wait([&] { return !seen.order.empty(); }));
  CHECK(seen.out.empty());
  CHECK(seen.err.empty());  // the child is stuck in its write
  seen.child->PauseReading(false);
  REQUIRE(test.Wait([&] { return !seen.err.empty(); }));
  seen.child->CloseStdin();
  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out.size() == 200'000);
  CHECK(seen.order == std::vector<std::string>{"idle", "eof", "gone"});
}

TEST_CASE("a child that ends during a pause still delivers all output and its end", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("printf last")));
  seen.child->PauseReading(true);

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "last");
  CHECK(seen.order == std::vector<std::string>{"eof", "gone"});
}

}  // namespace workmand::io
