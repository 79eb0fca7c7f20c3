// Any line on the control socket is a request within its bounds, or a sentence that can be sent
// back; arguments are the bytes of the line. Input: the line, as a request and as a job.
#include <array>
#include <string>

#include "daemon/admin/verbs.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace workmand::fuzz {
namespace {

using workman::protocol::IsJson;
using workman::protocol::IsUtf8;

/// Lines of any length are quoted in part only.
constexpr std::size_t kLongestSentence = 1000;

bool IsName(const std::string& text) {
  return text.find('\0') == std::string::npos;
}

bool SameJob(const EnqueueRequest& a, const EnqueueRequest& b) {
  return a.form == b.form && a.job.task == b.job.task && a.job.payload == b.job.payload &&
         a.job.unique == b.job.unique && a.job.priority == b.job.priority &&
         a.job.delay == b.job.delay && a.job.max_attempts == b.job.max_attempts;
}

void CheckError(const Error& error) {
  Require(!error.message.empty(), "a refusal says why");
  Require(error.message.size() <= kLongestSentence, "a refusal quotes no whole line");
  const std::string reply = RenderError(error.message);
  Require(IsJson(reply) && IsUtf8(reply), "a refusal can be sent as JSON");
  Require(reply.find('\n') == std::string::npos, "a reply is one line");
}

void CheckPayload(const EnqueueRequest& request, PayloadKind kind) {
  EnqueueRequest fitted = request;
  if (const Result<void> fits = FitPayload(fitted, kind); !fits) return CheckError(fits.error());
  const std::string& payload = fitted.job.payload;
  if (kind == PayloadKind::kJson) Require(IsJson(payload), "a json queue carries JSON");
  if (kind == PayloadKind::kText) Require(IsUtf8(payload), "a text queue carries UTF-8");
  if (kind == PayloadKind::kJson && request.form == ArgsForm::kJson) {
    Require(payload == request.job.payload, "a json queue carries the arguments as they came");
  }
}

void CheckJob(const EnqueueRequest& request, std::string_view line) {
  const Enqueue& job = request.job;
  Require(!job.task.empty() && IsName(job.task), "a job names its task");
  Require(IsName(job.unique), "a unique key holds no NUL");
  Require(job.delay >= Duration::zero() && job.max_attempts >= 0, "numbers of a job are in bounds");
  switch (request.form) {
    case ArgsForm::kNone: Require(job.payload.empty(), "no arguments are no bytes"); break;
    case ArgsForm::kJson:
      Require(line.find(job.payload) != std::string_view::npos, "arguments are part of the line");
      Require(IsJson(job.payload, workman::protocol::kMaxPayloadDepth), "arguments are JSON");
      break;
    case ArgsForm::kBytes: {
      std::string base64;
      workman::protocol::AppendBase64(base64, job.payload);
      Require(
          line.find('\\') != std::string_view::npos || line.find(base64) != std::string_view::npos,
          "bytes are those of the base64 in the line");
      break;
    }
  }
  for (const PayloadKind kind :
       {PayloadKind::kJson, PayloadKind::kText, PayloadKind::kBase64, PayloadKind::kAuto}) {
    CheckPayload(request, kind);
  }
}

void CheckRequest(std::string_view line) {
  const Result<Request> request = ParseRequest(line);
  if (!request) return CheckError(request.error());
  if (request->verb == Verb::kScale) {
    Require(request->n >= 1 && request->n <= 10'000, "a pool is scaled within bounds");
  }
  if (request->verb != Verb::kEnqueue) return;
  const EnqueueRequest& enqueue = request->enqueue;
  Require(enqueue.job.foreground == enqueue.wait, "who waits is in the foreground");
  Require(!enqueue.timeout || (enqueue.wait && *enqueue.timeout > Duration::zero()),
          "a time limit belongs to a wait");
  CheckJob(enqueue, line);
}

void CheckJobLine(std::string_view line) {
  const Result<EnqueueRequest> job = ParseJobLine(line);
  if (!job) return CheckError(job.error());
  Require(!job->wait && !job->timeout && !job->job.foreground, "nobody waits for a line's job");
  CheckJob(*job, line);
  std::string request_line(line);
  request_line.insert(request_line.find('{') + 1, R"("verb":"enqueue",)");
  const Result<Request> request = ParseRequest(request_line);
  Require(request && request->verb == Verb::kEnqueue, "a job line makes a request");
  Require(SameJob(request->enqueue, *job), "the request is for the same job");
}

}  // namespace
}  // namespace workmand::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line = workmand::fuzz::Text(data, size);
  workmand::fuzz::CheckRequest(line);
  workmand::fuzz::CheckJobLine(line);
  return 0;
}
