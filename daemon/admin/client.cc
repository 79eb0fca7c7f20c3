#include "daemon/admin/client.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "daemon/admin/json_writer.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

namespace json = workman::protocol;
using json::Object;

std::string TextOf(const Object& object, std::string_view name) {
  return json::ReadString(object.Find(name)).value_or("");
}

bool FlagOf(const Object& object, std::string_view name) {
  return json::ReadBool(object.Find(name)).value_or(false);
}

/// The number that stands there, if it fits; absent, null and anything else is nothing.
template <typename Integer>
std::optional<Integer> NumberOf(const Object& object, std::string_view name) {
  const std::optional<std::int64_t> value = json::ReadInt(object.Find(name));
  if (!value || !std::in_range<Integer>(*value)) return std::nullopt;
  return static_cast<Integer>(*value);
}

Result<Object> ParseObject(std::string_view text, std::string_view what) {
  Object object;
  const json::JsonError error = Object::Parse(text, object);
  if (error == json::JsonError::kNone) return object;
  return Fail(ErrorCode::kInvalid,
              std::string(what) + " is not one JSON object: " + std::string(ToString(error)));
}

void AppendJobMembers(ObjectWriter& object, const EnqueueRequest& request) {
  const Enqueue& job = request.job;
  object.Text("task", job.task);
  switch (request.form) {
    case ArgsForm::kNone: break;
    case ArgsForm::kJson: {
      std::string scratch;
      object.Name("args") += json::OnOneLine(job.payload, scratch);
      break;
    }
    case ArgsForm::kBytes: object.Base64("args_b64", job.payload); break;
  }
  if (job.delay > Duration{0}) object.Number("delay_ms", job.delay.count());
  if (job.priority != Priority::kNormal) object.Text("priority", ToString(job.priority));
  if (!job.unique.empty()) object.Text("unique", job.unique);
  if (job.max_attempts > 0) object.Number("max_attempts", job.max_attempts);
  if (request.wait) object.Flag("wait", true);
  if (request.timeout) object.Number("timeout_ms", request.timeout->count());
}

std::optional<DaemonState> ParseState(std::string_view text) {
  constexpr std::array kStates = {DaemonState::kStarting,  DaemonState::kRunning,
                                  DaemonState::kDegraded,  DaemonState::kPaused,
                                  DaemonState::kReloading, DaemonState::kStopping};
  const auto* state =
      std::ranges::find(kStates, text, [](DaemonState one) { return ToString(one); });
  if (state == kStates.end()) return std::nullopt;
  return *state;
}

JobSnapshot ReadJob(const Object& object) {
  JobSnapshot job;
  job.id = TextOf(object, "id");
  job.task = TextOf(object, "task");
  job.attempt = NumberOf<int>(object, "attempt").value_or(1);
  job.running = Duration(NumberOf<std::int64_t>(object, "running_ms").value_or(0));
  job.args = json::ReadString(object.Find("args"));
  return job;
}

WorkerSnapshot ReadWorker(const Object& object) {
  WorkerSnapshot worker;
  worker.worker = TextOf(object, "worker");
  worker.pid = NumberOf<std::int64_t>(object, "pid").value_or(0);
  worker.state = TextOf(object, "state");
  worker.generation.value = NumberOf<std::uint32_t>(object, "generation").value_or(0);
  worker.jobs = NumberOf<std::uint64_t>(object, "jobs").value_or(0);
  Object job;
  if (Object::Parse(object.Find("job"), job) == json::JsonError::kNone) worker.job = ReadJob(job);
  return worker;
}

QueueSnapshot ReadQueue(std::string_view raw) {
  QueueSnapshot queue;
  Object object;
  if (Object::Parse(raw, object) != json::JsonError::kNone) return queue;
  queue.driver = TextOf(object, "driver");
  queue.up = TextOf(object, "state") == "up";
  queue.held = NumberOf<std::uint64_t>(object, "held").value_or(0);
  queue.depth = NumberOf<std::uint64_t>(object, "depth");
  queue.oldest_ms = NumberOf<std::int64_t>(object, "oldest_ms");
  return queue;
}

CountsSnapshot ReadCounts(std::string_view raw) {
  CountsSnapshot counts;
  Object object;
  if (Object::Parse(raw, object) != json::JsonError::kNone) return counts;
  const auto read = [&](std::string_view name) {
    return NumberOf<std::uint64_t>(object, name).value_or(0);
  };
  counts.taken = read("taken");
  counts.done = read("done");
  counts.fail = read("fail");
  counts.abort = read("abort");
  counts.lost = read("lost");
  counts.timeout = read("timeout");
  counts.dead = read("dead");
  return counts;
}

std::optional<std::string> ReadResult(const Object& object) {
  if (const std::string_view raw = object.Find("result"); !raw.empty()) return std::string(raw);
  const std::optional<std::string> text = json::ReadString(object.Find("result_b64"));
  return text ? json::DecodeBase64(*text) : std::nullopt;
}

}  // namespace

std::string RenderRequest(const Request& request) {
  return RenderObject([&](ObjectWriter& object) {
    object.Text("verb", ToString(request.verb));
    if (request.verb == Verb::kScale) object.Number("n", request.n);
    if (request.verb == Verb::kEnqueue) AppendJobMembers(object, request.enqueue);
    if (request.notes) object.Flag("notes", true);
  });
}

Result<Answer> ParseAnswer(std::string_view line) {
  const Result<Object> object = ParseObject(line, "the answer");
  if (!object) return tl::unexpected(object.error());
  Answer answer;
  answer.id = TextOf(*object, "id");
  if (const std::optional<std::string> note = json::ReadString(object->Find("note"))) {
    answer.is_note = true;
    answer.note = *note;
    return answer;
  }
  const std::optional<bool> ok = json::ReadBool(object->Find("ok"));
  if (!ok) return Fail(ErrorCode::kInvalid, "the answer has no member ok");
  answer.ok = *ok;
  answer.error = TextOf(*object, "error");
  answer.result = ReadResult(*object);
  answer.job_failed = !object->Find("failure").empty();
  answer.timed_out = FlagOf(*object, "timeout");
  answer.status = object->Find("status");
  answer.workers = object->Find("workers");
  answer.generation.value = NumberOf<std::uint32_t>(*object, "generation").value_or(0);
  answer.draining = NumberOf<std::uint32_t>(*object, "draining").value_or(0);
  return answer;
}

Result<Snapshot> ReadSnapshot(std::string_view status) {
  const Result<Object> object = ParseObject(status, "the status");
  if (!object) return tl::unexpected(object.error());
  const std::optional<DaemonState> state = ParseState(TextOf(*object, "state"));
  if (!state) return Fail(ErrorCode::kInvalid, "the status has no state that is known here");
  Result<std::vector<WorkerSnapshot>> workers = ReadWorkers(object->Find("workers"));
  if (!workers) return tl::unexpected(workers.error());
  Snapshot snapshot;
  snapshot.profile = TextOf(*object, "profile");
  snapshot.pid = NumberOf<std::int64_t>(*object, "pid").value_or(0);
  snapshot.version = TextOf(*object, "version");
  snapshot.generation.value = NumberOf<std::uint32_t>(*object, "generation").value_or(0);
  snapshot.state = *state;
  snapshot.workers = std::move(*workers);
  snapshot.queue = ReadQueue(object->Find("queue"));
  snapshot.counts = ReadCounts(object->Find("counts"));
  return snapshot;
}

Result<std::vector<WorkerSnapshot>> ReadWorkers(std::string_view workers) {
  std::vector<WorkerSnapshot> out;
  // The slicer walks arrays only inside a text that it has validated.
  const bool is_list = json::IsJson(workers) && json::ForEachElement(workers, [&](auto raw) {
                         Object object;
                         if (Object::Parse(raw, object) != json::JsonError::kNone) return false;
                         out.push_back(ReadWorker(object));
                         return true;
                       });
  if (!is_list) return Fail(ErrorCode::kInvalid, "the workers are no list of objects");
  return out;
}

}  // namespace workmand
