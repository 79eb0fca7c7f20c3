// What people see of a status.
#include <string>

#include <catch2/catch.hpp>

#include "daemon/cli/tables.h"

namespace workmand::cli {
namespace {

WorkerSnapshot BusyWorker() {
  WorkerSnapshot worker;
  worker.worker = "thumbs-1";
  worker.pid = 4712;
  worker.state = "busy";
  worker.generation = Generation{2};
  worker.jobs = 17;
  worker.job = JobSnapshot{"9", "Resize", 2, Duration(1250), std::nullopt};
  return worker;
}

TEST_CASE("columns are as wide as their widest cell", "[cli]") {
  CHECK(RenderTable({{"A", "LONG"}, {"wide", "x"}}) == "A     LONG\nwide  x\n");
}

TEST_CASE("a table counts characters and not bytes", "[cli]") {
  CHECK(RenderTable({{"é", "x"}, {"ab", "y"}}) == "é   x\nab  y\n");
}

TEST_CASE("the worker table shows the job and dashes where there is none", "[cli]") {
  WorkerSnapshot down;
  down.worker = "thumbs-2";
  down.state = "down";
  down.generation = Generation{2};
  CHECK(RenderWorkerTable({BusyWorker(), down}) ==
        "WORKER    PID   STATE  GEN  JOBS  RUNNING  TASK    ATTEMPT  JOB\n"
        "thumbs-1  4712  busy   2    17    1.2s     Resize  2        9\n"
        "thumbs-2  -     down   2    0     -        -       -        -\n");
}

TEST_CASE("the status text tells all of the snapshot", "[cli]") {
  Snapshot snapshot;
  snapshot.profile = "thumbs";
  snapshot.pid = 4711;
  snapshot.version = "0.1.0";
  snapshot.generation = Generation{2};
  snapshot.state = DaemonState::kReloading;
  snapshot.workers = {BusyWorker()};
  snapshot.queue = {"sqlite", true, 1, 42, 3200};
  snapshot.counts = {20, 16, 1, 2, 3, 4, 5};
  CHECK(RenderStatusText(snapshot, Duration(3'725'000)) ==
        "profile     thumbs\n"
        "state       reloading\n"
        "generation  2\n"
        "daemon      pid 4711, version 0.1.0, up for 1h02m\n"
        "queue       sqlite up, 42 waiting, the oldest for 3.2s, 1 held\n"
        "jobs        20 taken, 16 done, 1 failed, 2 aborted, 3 lost, 4 timed out, 5 dead\n"
        "\n"
        "WORKER    PID   STATE  GEN  JOBS  RUNNING  TASK    ATTEMPT  JOB\n"
        "thumbs-1  4712  busy   2    17    1.2s     Resize  2        9\n");
}

TEST_CASE("what is not known is left out of the status text", "[cli]") {
  Snapshot snapshot;
  snapshot.queue.driver = "gearman";
  const std::string text = RenderStatusText(snapshot, std::nullopt);
  CHECK(text.find("up for") == std::string::npos);
  CHECK(text.find("waiting") == std::string::npos);
  CHECK(text.find("gearman down, 0 held") != std::string::npos);
}

TEST_CASE("durations are short", "[cli]") {
  CHECK(ShortDuration(Duration(-5)) == "0ms");
  CHECK(ShortDuration(Duration(999)) == "999ms");
  CHECK(ShortDuration(Duration(9'999)) == "9.9s");
  CHECK(ShortDuration(Duration(59'999)) == "59s");
  CHECK(ShortDuration(Duration(60'000)) == "1m00s");
  CHECK(ShortDuration(Duration(3'600'000)) == "1h00m");
  CHECK(ShortDuration(Duration(183'600'000)) == "2d03h");
}

TEST_CASE("names cannot send the terminal commands", "[cli]") {
  CHECK(Printable("a\033[2Jb\n\x7f") == "a?[2Jb??");
  CHECK(Printable("\xC2\x9B"
                  "31m é") == "?31m é");
  WorkerSnapshot worker = BusyWorker();
  worker.job->task = "\033]0;owned\007";
  CHECK(RenderWorkerTable({worker}).find('\033') == std::string::npos);
}

}  // namespace
}  // namespace workmand::cli
