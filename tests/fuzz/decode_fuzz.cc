// Any line of a worker's stdout is decoded to something that keeps the promises of its type; texts
// are slices of the line, and no outcome is salvaged that is none. Input: the line.
#include <array>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "protocol/decode.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace workmand::fuzz {
namespace {

namespace wire = workman::protocol;

constexpr std::array<std::string_view, 3> kLive{"b3.9-x7", "a1", "k2"};

void CheckId(std::string_view id, std::string_view line) {
  Require(IsSlice(id, line), "an id is a slice of the line");
  Require(id.find_first_of("\"\\") == std::string_view::npos, "an id needs no unescaping");
}

void CheckPayload(const wire::Payload& payload, std::string_view line) {
  Require(IsSlice(payload.json, line) && IsSlice(payload.base64, line), "a payload is a slice");
  Require(payload.json.empty() || wire::IsJson(payload.json, wire::kMaxPayloadDepth),
          "a payload is JSON");
  Require(payload.json.empty() || !payload.is_base64(), "a payload has one form");
  if (!payload.is_base64()) return;
  Require(wire::IsBase64Inside(payload.base64), "a payload in base64 is base64");
  Require(wire::DecodeBase64Inside(payload.base64).has_value(), "base64 can be decoded");
}

void CheckSpec(const wire::JobSpec& job) {
  Require(!job.task.empty() && job.task.size() <= 255, "a job names its task");
  Require(job.args_binary || wire::IsJson(job.args), "arguments are JSON");
  Require(job.delay_ms >= 0 && job.max_attempts >= 0, "numbers of a job are in bounds");
}

void CheckEnqueue(std::string_view raw, std::string_view line) {
  if (raw.empty()) return;
  Require(IsSlice(raw, line) && wire::IsJson(raw) && raw.front() == '[',
          "jobs are an array and a slice");
  std::vector<wire::JobSpec> jobs;
  std::string why;
  const bool good = wire::ReadJobSpecs(raw, jobs, why);
  Require(good == why.empty(), "bad jobs have a reason");
  if (!good) return;
  for (const wire::JobSpec& job : jobs) CheckSpec(job);
}

/// One overload per message: what the rest of the daemon relies on.
struct CheckMessage {
  std::string_view line;

  void operator()(const wire::Ready& ready) const {
    Require(ready.concurrency >= 1 && ready.concurrency <= wire::kMaxConcurrency,
            "concurrency is in bounds");
    Require(ready.prefetch >= 0 && ready.prefetch <= wire::kMaxPrefetch, "prefetch is in bounds");
    for (const wire::AnnouncedTask& task : ready.tasks) {
      Require(!task.name.empty(), "an announced task has a name");
      Require(task.timeout_ms.value_or(0) >= 0 && task.limit.value_or(0) >= 0,
              "an announced task has sound limits");
    }
  }
  void operator()(const wire::Done& done) const {
    Require(!done.id.empty(), "an outcome has an id");
    CheckId(done.id, line);
    CheckPayload(done.result, line);
    CheckEnqueue(done.enqueue, line);
  }
  void operator()(const wire::Fail& fail) const {
    Require(!fail.id.empty(), "an outcome has an id");
    CheckId(fail.id, line);
    Require(IsSlice(fail.error, line) && wire::IsJson(fail.error) && fail.error.front() == '{',
            "an error is an object and a slice");
    Require(wire::IsUtf8(wire::ErrorMessage(fail.error)), "the message of an error is UTF-8");
    Require(fail.delay_ms.value_or(0) >= 0, "a delay is not negative");
    CheckEnqueue(fail.enqueue, line);
  }
  void operator()(const wire::Abort& abort) const {
    Require(!abort.id.empty(), "an outcome has an id");
    CheckId(abort.id, line);
    Require(wire::IsUtf8(abort.reason), "a reason is UTF-8");
    Require(abort.delay_ms.value_or(0) >= 0, "a delay is not negative");
    CheckEnqueue(abort.enqueue, line);
  }
  void operator()(const wire::Progress& progress) const {
    CheckId(progress.id, line);
    Require(std::isfinite(progress.done) && std::isfinite(progress.total), "progress is finite");
  }
  void operator()(const wire::Data& data) const {
    CheckId(data.id, line);
    Require(!data.data.absent(), "data has some");
    CheckPayload(data.data, line);
  }
  void operator()(const wire::Log& log) const {
    CheckId(log.id, line);
    Require(!log.level.empty() && wire::IsUtf8(log.message), "a log line has a level and a text");
    Require(IsSlice(log.fields, line), "fields are a slice");
    Require(log.fields.empty() || wire::IsJson(log.fields), "fields are JSON");
  }
  void operator()(const wire::Heartbeat& heartbeat) const {
    CheckId(heartbeat.id, line);
    Require(heartbeat.extend_ms >= 0, "a deadline moves on, not back");
  }
  void operator()(const wire::EnqueueRequest& request) const { CheckSpec(request.job); }
  void operator()(const wire::Retire& retire) const {
    Require(wire::IsUtf8(retire.reason), "a reason is UTF-8");
  }
  void operator()(const wire::Pong& pong) const { CheckId(pong.id, line); }
};

struct CheckDecoded {
  std::string_view line;

  void operator()(const wire::FromWorker& message) const {
    Require(wire::IsJson(line), "a message is JSON");
    std::visit(CheckMessage{line}, message);
  }
  void operator()(const wire::Foreign& foreign) const {
    Require(wire::IsJson(line), "somebody else's object is JSON");
    Require(IsSlice(foreign.type, line), "its type is a slice");
  }
  void operator()(const wire::Garbage& garbage) const {
    Require(!garbage.why.empty(), "garbage has a reason");
    Require(garbage.starts_like_object == (line[line.find_first_not_of(" \t")] == '{'),
            "garbage tells whether it begins like an object");
  }
  void operator()(const wire::Malformed& malformed) const {
    Require(!malformed.why.empty() && !malformed.type.empty(), "a bad message has a reason");
    CheckId(malformed.id, line);
    const bool terminal =
        malformed.type == "done" || malformed.type == "fail" || malformed.type == "abort";
    Require(malformed.terminal == terminal, "outcomes are terminal");
  }
  void operator()(const wire::Blank&) const {
    Require(line.find_first_not_of(" \t") == std::string_view::npos, "a blank line is blank");
  }
};

std::string_view OutcomeId(const wire::Decoded& decoded) {
  const auto* message = std::get_if<wire::FromWorker>(&decoded);
  if (message == nullptr) return {};
  if (const auto* done = std::get_if<wire::Done>(message)) return done->id;
  if (const auto* fail = std::get_if<wire::Fail>(message)) return fail->id;
  if (const auto* abort = std::get_if<wire::Abort>(message)) return abort->id;
  return {};
}

void CheckSalvage(std::string_view line) {
  const wire::Salvage salvage = wire::FindOutcome(line, kLive);
  const bool live = std::find(kLive.begin(), kLive.end(), salvage.id) != kLive.end();
  Require(salvage.damaged == live, "an outcome belongs to a live id");
  if (live) Require(line.find(salvage.id) != std::string_view::npos, "the line names the id");
  if (salvage.message.empty()) return;
  Require(salvage.damaged, "what is found was lost");
  Require(IsSlice(salvage.message, line), "what is found is a slice");
  Require(OutcomeId(wire::Decode(salvage.message)) == salvage.id, "what is found is the outcome");
}

}  // namespace
}  // namespace workmand::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace workmand::fuzz;
  const std::string_view line = Text(data, size);
  std::visit(CheckDecoded{line}, wire::Decode(line));
  CheckSalvage(line);
  return 0;
}
