// The lines that the daemon answers with.
#include <string>

#include <catch2/catch.hpp>

#include "daemon/admin/verbs.h"
#include "protocol/json_slicer.h"

namespace workmand {
namespace {

Snapshot SampleSnapshot() {
  Snapshot snapshot;
  snapshot.profile = "thumbs";
  snapshot.pid = 4711;
  snapshot.version = "0.1.0";
  snapshot.generation = Generation{2};
  snapshot.state = DaemonState::kRunning;
  WorkerSnapshot busy;
  busy.worker = "thumbs-1";
  busy.pid = 4712;
  busy.state = "busy";
  busy.generation = Generation{2};
  busy.jobs = 17;
  busy.job = JobSnapshot{"H:box:9", "Resize", 2, Duration(1250), std::nullopt};
  WorkerSnapshot down;
  down.worker = "thumbs-2";
  down.state = "down";
  down.generation = Generation{2};
  snapshot.workers = {busy, down};
  snapshot.queue = {"sqlite", true, 1, 42, std::nullopt};
  snapshot.counts = {20, 16, 1, 1, 0, 1, 0};
  snapshot.violations = {{"V04", 3}, {"V18", 1}};
  snapshot.dropped = {7, 8, 9};
  return snapshot;
}

TEST_CASE("the status has every member in its fixed order", "[admin]") {
  CHECK(RenderStatus(SampleSnapshot()) ==
        R"({"ok":true,"status":{"profile":"thumbs","pid":4711,"version":"0.1.0","generation":2,)"
        R"("state":"running","workers":[{"worker":"thumbs-1","pid":4712,"state":"busy",)"
        R"("generation":2,"jobs":17,"job":{"id":"H:box:9","task":"Resize","attempt":2,)"
        R"("running_ms":1250}},{"worker":"thumbs-2","pid":null,"state":"down","generation":2,)"
        R"("jobs":0,"job":null}],"queue":{"driver":"sqlite","state":"up","held":1,"depth":42,)"
        R"("oldest_ms":null},"counts":{"taken":20,"done":16,"fail":1,"abort":1,"lost":0,)"
        R"("timeout":1,"dead":0},"violations":{"V04":3,"V18":1},)"
        R"("dropped":{"data":7,"log":8,"stderr":9}}})");
}

TEST_CASE("the arguments of a job show only where they were given", "[admin]") {
  Snapshot snapshot = SampleSnapshot();
  CHECK(RenderStatus(snapshot).find("args") == std::string::npos);
  snapshot.workers[0].job->args = "a\n\xff";
  CHECK(RenderStatus(snapshot).find("\"args\":\"a\\n\xEF\xBF\xBD\"") != std::string::npos);
}

TEST_CASE("a hostile task name stays inside its string", "[admin]") {
  Snapshot snapshot = SampleSnapshot();
  snapshot.workers[0].job->task = "a\"},\n\x01\xff";
  const std::string line = RenderStatus(snapshot);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(workman::protocol::IsJson(line));
}

TEST_CASE("workers alone are the same list as in the status", "[admin]") {
  const std::string status = RenderStatus(SampleSnapshot());
  const std::string workers = RenderWorkers(SampleSnapshot());
  const std::size_t begin = workers.find('[');
  const std::string list = workers.substr(begin, workers.size() - begin - 1);
  CHECK(workers.rfind(R"({"ok":true,"workers":[)", 0) == 0);
  CHECK(status.find(list) != std::string::npos);
}

TEST_CASE("every state of the daemon has its word", "[admin]") {
  CHECK(ToString(DaemonState::kStarting) == "starting");
  CHECK(ToString(DaemonState::kRunning) == "running");
  CHECK(ToString(DaemonState::kDegraded) == "degraded");
  CHECK(ToString(DaemonState::kPaused) == "paused");
  CHECK(ToString(DaemonState::kReloading) == "reloading");
  CHECK(ToString(DaemonState::kStopping) == "stopping");
}

TEST_CASE("short replies are what they are", "[admin]") {
  CHECK(RenderOk() == R"({"ok":true})");
  CHECK(RenderError("no \"such\" thing") == R"({"ok":false,"error":"no \"such\" thing"})");
  CHECK(RenderEnqueued("17") == R"({"ok":true,"id":"17"})");
  CHECK(RenderNote("worker thumbs-1 is ready") == R"({"note":"worker thumbs-1 is ready"})");
  CHECK(RenderNote("queued", "17") == R"({"note":"queued","id":"17"})");
}

TEST_CASE("a reload reports its generation or why it was rolled back", "[admin]") {
  CHECK(RenderReload({true, Generation{3}, 1, ""}) == R"({"ok":true,"generation":3,"draining":1})");
  CHECK(RenderReload({false, Generation{2}, 0, "rolled back: 5 start failures"}) ==
        R"({"ok":false,"error":"rolled back: 5 start failures"})");
}

TEST_CASE("a result is spliced byte for byte", "[admin]") {
  const Reply reply{"9", Reply::State::kDone, R"({"n": 12345678901234567890123,"b":1,"a":1e400})"};
  CHECK(RenderResult(reply) ==
        R"({"ok":true,"id":"9","result":{"n": 12345678901234567890123,"b":1,"a":1e400}})");
}

TEST_CASE("a result never breaks the line", "[admin]") {
  const std::string line = RenderResult({"9", Reply::State::kDone, "{\n  \"a\": 1\n}\n"});
  CHECK(line.find('\n') == std::string::npos);
  CHECK(workman::protocol::IsJson(line));
}

TEST_CASE("a result that is no JSON travels as base64 and an empty one is null", "[admin]") {
  CHECK(RenderResult({"9", Reply::State::kDone, std::string("\0\xff\n", 3)}) ==
        R"({"ok":true,"id":"9","result_b64":"AP8K"})");
  CHECK(RenderResult({"9", Reply::State::kDone, ""}) == R"({"ok":true,"id":"9","result":null})");
}

TEST_CASE("a failed job gives its message and its whole error", "[admin]") {
  CHECK(RenderResult({"9", Reply::State::kFailed, R"({"code":"E","message":"boom"})"}) ==
        R"({"ok":false,"id":"9","error":"boom","failure":{"code":"E","message":"boom"}})");
}

TEST_CASE("an error that is no object becomes one", "[admin]") {
  CHECK(RenderResult({"9", Reply::State::kFailed, "went wrong\n"}) ==
        R"({"ok":false,"id":"9","error":"went wrong\n","failure":{"message":"went wrong\n"}})");
  CHECK(FailureMessage("") == "the job failed and gave no reason");
}

TEST_CASE("a wait that is over says so", "[admin]") {
  CHECK(RenderResult({"9", Reply::State::kTimeout, ""}) ==
        R"({"ok":false,"id":"9","error":"no result within the time allowed","timeout":true})");
}

}  // namespace
}  // namespace workmand
