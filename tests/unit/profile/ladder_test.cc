#include "daemon/profile/ladder.h"

#include <catch2/catch.hpp>

#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

Lines Check(const std::string& keys, const std::string& grace) {
  Lines lines;
  for (const ProfileError& error :
       CheckLadder(Good(kMinimal + keys), {{"WORKMAN_STOP_GRACE", grace}})) {
    lines.push_back(error.ToString());
  }
  return lines;
}

}  // namespace

TEST_CASE("the ladder of the defaults is told in words", "[profile]") {
  CHECK(PrintLadder(Good(kMinimal)) ==
        R"(stop (SIGTERM or SIGINT to workmand):
      0s  notice; stdin closes when nothing is in flight
      0s  SIGTERM to busy workers that announced it, to others 1s after stdin closed (stop_signal)
     20s  SIGABRT (graceful_shutdown_timeout), sooner 5s after stdin closed (exit_grace)
     25s  SIGKILL to the process group (abort_timeout)
     27s  workmand has ended
restart (SIGHUP to workmand), for each worker from its own notice:
      0s  notice; stdin closes when nothing is in flight
      0s  SIGTERM to busy workers that announced it, to others 1s after stdin closed (stop_signal)
     20s  SIGABRT (graceful_restart_timeout), sooner 5s after stdin closed (exit_grace)
     25s  SIGKILL to the process group (abort_timeout)
a job, from its start:
          no time limit
          its lease lasts 1m and is renewed every 20s while it runs (lease_time)
a worker that does not get ready, from its start:
      1m  stdin closes (start_timeout)
     61s  SIGABRT
     66s  SIGKILL (abort_timeout)
)");
}

TEST_CASE("the ladder shows each limit that is set", "[profile]") {
  const std::string ladder = PrintLadder(
      Good("command: [sh]\ntime_limit: 5m\nsoft_time_limit: 4m\nstall_timeout: 30s\n"
           "graceful_restart_timeout: infinity\nstop_signal: never\n"
           "tasks: {Resize: {time_limit: 10s}, Long: {time_limit: 0}, Other: {limit: 1}}\n"));

  for (const std::string line :
       {"      4m  cancel, to workers that know it (soft_time_limit)\n",
        "      5m  SIGABRT, the attempt counts (time_limit)\n",
        "    305s  SIGKILL (abort_timeout)\n",
        "     10s  Resize: SIGABRT (time_limit of the task)\n", "          Long: no time limit\n",
        "     30s  without a sign of life: SIGABRT (stall_timeout)\n",
        "      0s  no SIGTERM to workers (stop_signal)\n",
        "   never  SIGABRT (graceful_restart_timeout)"}) {
    INFO(ladder);
    CHECK(ladder.find(line) != std::string::npos);
  }
  CHECK(ladder.find("Other") == std::string::npos);
}

TEST_CASE("a stop must fit into the grace that the outside gives", "[profile]") {
  CHECK(Check("", "27s").empty());
  CHECK(Check("", "30").empty());
  CHECK(Check("", "").empty());
  CHECK(Check("", "infinity").empty());
  CHECK(Check("graceful_shutdown_timeout: infinity\n", "infinity").empty());
  CHECK(CheckLadder(Good(kMinimal), {}).empty());
  CHECK(Check("", "26s") ==
        Lines{"conf/a.yaml: graceful_shutdown_timeout: does not fit into WORKMAN_STOP_GRACE=26s: "
              "graceful_shutdown_timeout + abort_timeout + 2s is 20s + 5s + 2s = 27s"});
  CHECK(Check("graceful_shutdown_timeout: infinity\n", "90s") ==
        Lines{"conf/a.yaml: graceful_shutdown_timeout: does not fit into WORKMAN_STOP_GRACE=90s: "
              "graceful_shutdown_timeout + abort_timeout + 2s is infinity + 5s + 2s"});
  CHECK(Check("", "soon") ==
        Lines{"WORKMAN_STOP_GRACE: must be a duration such as 500ms, 20s, 5m, 1h, 30d or a number "
              "of seconds (got 'soon')"});
}

}  // namespace workmand::test
