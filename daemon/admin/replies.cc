// Snapshots and answers as lines: the Render… half of verbs.h.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/admin/json_writer.h"
#include "daemon/admin/verbs.h"
#include "protocol/decode.h"
#include "protocol/json_slicer.h"

namespace workmand {
namespace {

namespace json = workman::protocol;

void AppendJob(std::string& out, const JobSnapshot& job) {
  ObjectWriter object(out);
  object.Text("id", job.id);
  object.Text("task", job.task);
  object.Number("attempt", job.attempt);
  object.Number("running_ms", job.running.count());
  if (job.args) object.Text("args", *job.args);
}

void AppendWorker(std::string& out, const WorkerSnapshot& worker) {
  std::optional<std::int64_t> pid;
  if (worker.pid != 0) pid = worker.pid;
  ObjectWriter object(out);
  object.Text("worker", worker.worker);
  object.NumberOrNull("pid", pid);
  object.Text("state", worker.state);
  object.Number("generation", worker.generation.value);
  object.Number("jobs", worker.jobs);
  object.Name("job");
  if (worker.job) {
    AppendJob(out, *worker.job);
  } else {
    out += "null";
  }
}

void AppendWorkers(std::string& out, const std::vector<WorkerSnapshot>& workers) {
  out += '[';
  bool first = true;
  for (const WorkerSnapshot& worker : workers) {
    if (!first) out += ',';
    first = false;
    AppendWorker(out, worker);
  }
  out += ']';
}

void AppendQueue(std::string& out, const QueueSnapshot& queue) {
  ObjectWriter object(out);
  object.Text("driver", queue.driver);
  object.Text("state", queue.up ? "up" : "down");
  object.Number("held", queue.held);
  object.NumberOrNull("depth", queue.depth);
  object.NumberOrNull("oldest_ms", queue.oldest_ms);
}

void AppendCounts(std::string& out, const CountsSnapshot& counts) {
  ObjectWriter object(out);
  object.Number("taken", counts.taken);
  object.Number("done", counts.done);
  object.Number("fail", counts.fail);
  object.Number("abort", counts.abort);
  object.Number("lost", counts.lost);
  object.Number("timeout", counts.timeout);
  object.Number("dead", counts.dead);
}

void AppendViolations(std::string& out, const std::map<std::string, std::uint64_t>& violations) {
  ObjectWriter object(out);
  for (const auto& [code, count] : violations) object.Number(code, count);
}

void AppendDropped(std::string& out, const DroppedSnapshot& dropped) {
  ObjectWriter object(out);
  object.Number("data", dropped.data);
  object.Number("log", dropped.log);
  object.Number("stderr", dropped.err);
}

void AppendSnapshot(std::string& out, const Snapshot& snapshot) {
  ObjectWriter object(out);
  object.Text("profile", snapshot.profile);
  object.Number("pid", snapshot.pid);
  object.Text("version", snapshot.version);
  object.Number("generation", snapshot.generation.value);
  object.Text("state", ToString(snapshot.state));
  AppendWorkers(object.Name("workers"), snapshot.workers);
  AppendQueue(object.Name("queue"), snapshot.queue);
  AppendCounts(object.Name("counts"), snapshot.counts);
  AppendViolations(object.Name("violations"), snapshot.violations);
  AppendDropped(object.Name("dropped"), snapshot.dropped);
}

/// Appends valid JSON as it is, without the line feeds that would cut the reply in two.
void AppendOnOneLine(std::string& out, std::string_view valid_json) {
  std::string scratch;
  out += json::OnOneLine(valid_json, scratch);
}

void AppendDone(ObjectWriter& object, std::string_view result) {
  if (result.empty()) {
    object.Name("result") += "null";
  } else if (json::IsJson(result, json::kMaxPayloadDepth)) {
    AppendOnOneLine(object.Name("result"), result);
  } else {
    object.Base64("result_b64", result);
  }
}

void AppendFailed(ObjectWriter& object, std::string_view error) {
  object.Text("error", FailureMessage(error));
  json::Object parsed;
  const bool is_object = json::Object::Parse(error, parsed) == json::JsonError::kNone;
  std::string& out = object.Name("failure");
  if (is_object) {
    AppendOnOneLine(out, error);
  } else {
    ObjectWriter(out).Text("message", FailureMessage(error));
  }
}

}  // namespace

std::string RenderStatus(const Snapshot& snapshot) {
  return RenderObject([&](ObjectWriter& object) {
    object.Flag("ok", true);
    AppendSnapshot(object.Name("status"), snapshot);
  });
}

std::string RenderWorkers(const Snapshot& snapshot) {
  return RenderObject([&](ObjectWriter& object) {
    object.Flag("ok", true);
    AppendWorkers(object.Name("workers"), snapshot.workers);
  });
}

std::string RenderOk() {
  return R"({"ok":true})";
}

std::string RenderError(std::string_view sentence) {
  return RenderObject([&](ObjectWriter& object) {
    object.Flag("ok", false);
    object.Text("error", sentence);
  });
}

std::string RenderEnqueued(std::string_view id) {
  return RenderObject([&](ObjectWriter& object) {
    object.Flag("ok", true);
    object.Text("id", id);
  });
}

std::string RenderResult(const Reply& reply) {
  return RenderObject([&](ObjectWriter& object) {
    object.Flag("ok", reply.state == Reply::State::kDone);
    object.Text("id", reply.id);
    switch (reply.state) {
      case Reply::State::kDone: AppendDone(object, reply.bytes); break;
      case Reply::State::kFailed: AppendFailed(object, reply.bytes); break;
      case Reply::State::kTimeout:
        object.Text("error", "no result within the time allowed");
        object.Flag("timeout", true);
        break;
    }
  });
}

std::string RenderReload(const ReloadOutcome& outcome) {
  if (!outcome.ok) return RenderError(outcome.message);
  return RenderObject([&](ObjectWriter& object) {
    object.Flag("ok", true);
    object.Number("generation", outcome.generation.value);
    object.Number("draining", outcome.draining);
  });
}

std::string RenderNote(std::string_view sentence, std::string_view id) {
  return RenderObject([&](ObjectWriter& object) {
    object.Text("note", sentence);
    if (!id.empty()) object.Text("id", id);
  });
}

std::string FailureMessage(std::string_view error) {
  std::string message = json::ErrorMessage(error);
  if (!message.empty()) return message;
  return error.empty() ? "the job failed and gave no reason" : std::string(error);
}

std::string_view ToString(DaemonState state) {
  switch (state) {
    case DaemonState::kStarting: return "starting";
    case DaemonState::kRunning: return "running";
    case DaemonState::kDegraded: return "degraded";
    case DaemonState::kPaused: return "paused";
    case DaemonState::kReloading: return "reloading";
    case DaemonState::kStopping: return "stopping";
  }
  return "";
}

}  // namespace workmand
