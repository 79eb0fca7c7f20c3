#include <csignal>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

constexpr const char* kHelper = BINARY_DIR "/tests/unit_io_helper";
constexpr const char* kLauncher = BINARY_DIR "/bin/workmand-launch";

/// Waits for the end of any process, related or not.
class EndOf {
 public:
  EndOf(Loop& loop, pid_t pid) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    opened_ = static_cast<bool>(fd) && pidfd_.Open(loop, std::move(fd), this);
    pidfd_.Watch(UV_READABLE, [](uv_poll_t* handle, int, int) {
      auto* self = static_cast<EndOf*>(handle->data);
      self->ended_ = true;
      self->pidfd_.Unwatch();
    });
  }
  [[nodiscard]] bool opened() const { return opened_; }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  WatchedFd pidfd_;
  bool opened_ = false;
  bool ended_ = false;
};

struct Times {
  long shown = 0;
  long real = 0;
};

/// Asks the helper for its clock.
bool AskClock(TestLoop& test, Recorded& helper, Times& times) {
  helper.out.clear();
  helper.child->Write("?");
  helper.child->Flush();
  if (!test.Wait([&] { return helper.out.ends_with('\n'); })) return false;
  std::istringstream(helper.out) >> times.shown >> times.real;
  return true;
}

}  // namespace

TEST_CASE("a worker that ignores everything dies with a killed daemon", "[io][bare]") {
  const std::string user = GENERATE("", "nobody");
  if (!user.empty() && ::geteuid() != 0) {
    WARN("changing the user needs root");
    return;
  }
  TestLoop test;
  Recorded daemon;
  REQUIRE(daemon.Start(test.loop, SpecOf({kHelper, "own", kLauncher, user})));
  REQUIRE(test.Wait([&] { return daemon.out.ends_with('\n'); }));
  EndOf worker(test.loop, std::stoi(daemon.out));
  REQUIRE(worker.opened());
  REQUIRE_FALSE(worker.ended());

  daemon.child->Signal(SIGKILL);

  CHECK(test.Wait([&] { return worker.ended(); }));
  CHECK(test.Wait([&] { return daemon.gone(); }));
}

TEST_CASE("a worker whose daemon died before the start never runs", "[io][bare]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, SpecOf({kLauncher, "--parent", "1", "--", "echo", "ran"})));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out.empty());
  CHECK(seen.status->code == 127);
}

TEST_CASE("time in which the daemon was stopped does not pass", "[io]") {
  TestLoop test;
  Recorded daemon;
  REQUIRE(daemon.Start(test.loop, SpecOf({kHelper, "clock"})));
  Times before;
  REQUIRE(AskClock(test, daemon, before));

  daemon.child->Signal(SIGSTOP);
  bool over = false;
  Timer stop(test.loop, [&] { over = true; });
  stop.Set(After(test.loop.Now(), Duration{2500}));
  REQUIRE(test.Wait([&] { return over; }));
  daemon.child->Signal(SIGCONT);
  Times after;
  REQUIRE(AskClock(test, daemon, after));

  const long shown = after.shown - before.shown;
  const long real = after.real - before.real;
  CHECK(real >= 2400);
  CHECK(real - shown >= 2400);
  CHECK(shown >= 0);
}

}  // namespace workmand::io
