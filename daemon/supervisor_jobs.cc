// Jobs on their way to a worker, and those that a worker asks for.
#include <utility>

#include "daemon/base/log.h"
#include "daemon/modes/payload.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

/// Puts the payload into `message` in the form the profile asks for. `scratch` keeps what had to be
/// rewritten.
Unfit FitArgs(const Job& job, PayloadKind kind, proto::JobMessage& message, std::string& scratch) {
  FittedInput input = FitInput(job.payload, kind, scratch);
  message.args = input.bytes;
  message.args_binary = input.form == PayloadForm::kBytes;
  if (input.form == PayloadForm::kText) {
    scratch.clear();
    proto::AppendString(scratch, input.bytes);
    message.args = scratch;
  }
  return std::move(input.unfit);
}

}  // namespace

std::string_view ToQueueBytes(const proto::Payload& payload, PayloadKind kind,
                              std::string& scratch) {
  if (payload.is_base64()) {
    scratch = proto::DecodeBase64Inside(payload.base64).value_or("");
    return scratch;
  }
  if (payload.absent()) return kind == PayloadKind::kText ? "" : "null";
  if (kind == PayloadKind::kText && payload.json.front() == '"') {
    scratch = proto::ReadString(payload.json).value_or("");
    return scratch;
  }
  return payload.json;
}

/// Read once a turn: all jobs of a turn start at its time.
std::int64_t Supervisor::EpochMs() {
  if (const TimePoint now = loop_.Now(); epoch_read_at_ != now) {
    const auto epoch = std::chrono::system_clock::now().time_since_epoch();
    epoch_ms_ = std::chrono::duration_cast<Duration>(epoch).count();
    epoch_read_at_ = now;
  }
  return epoch_ms_;
}

void Supervisor::Do(const action::SendJob& send) {
  WorkerProcess* worker = Find(send.slot);
  const Delivery& delivery = *send.delivery;
  const Job& job = delivery.job.get();
  const Profile& profile = *worker->profile;
  if (profile.mode == Mode::kExec) return RunProgram(*worker, delivery);
  if (profile.mode == Mode::kLines) return SendToFilter(*worker, delivery);
  proto::JobMessage message;
  message.id = delivery.id.view();
  message.task = job.task;
  message.attempt = job.attempt;
  message.max_attempts = delivery.max_attempts;
  message.timeout_ms = delivery.time_limit.count();
  if (message.timeout_ms > 0) {
    message.deadline_at_ms = EpochMs() + message.timeout_ms;
  }
  message.driver = profile.queue.driver;
  std::string prefixed;
  if (profile.queue.prefix.empty()) {
    message.queue = job.task;
  } else {
    prefixed = profile.queue.prefix + job.task;
    message.queue = prefixed;
  }
  message.job = job.id;
  message.enqueued_at_ms = job.enqueued_at_ms;

  Unfit unfit = FitArgs(job, profile.payload, message, text_scratch_);
  std::string& buffer = worker->child->buffer();
  const std::size_t before = buffer.size();
  if (unfit.code.empty()) {
    proto::AppendJob(buffer, message);
    if (buffer.size() - before - 1 > worker->max_line) {
      buffer.resize(before);
      unfit = {"payload_too_large",
               "the job does not fit max_line (" + std::to_string(worker->max_line) + " bytes)"};
    }
  }
  if (!unfit.code.empty()) return FailUnfit(send.slot, delivery.id, unfit);
  MarkDirty(*worker);
  worker->sending.push_back({delivery.id, worker->child->bytes_queued()});
}

/// No worker can take it: dead letter, by the same way as any other outcome.
void Supervisor::FailUnfit(SlotId slot, DeliveryId id, const Unfit& unfit) {
  deferred_.emplace_back([this, slot, id, unfit] {
    const std::string error = proto::MakeError(unfit.code, unfit.sentence);
    OutcomeReport report;
    report.kind = Outcome::kFail;
    report.bytes = error;
    report.message = unfit.sentence;
    report.retry = false;
    (void)core_->OnOutcome(slot, id.view(), report, loop_.Now());
  });
}

void Supervisor::OnWorkerEnqueue(WorkerProcess& worker, const proto::EnqueueRequest& request,
                                 std::string_view line) {
  auto producer = TheProducer();
  if (!producer) {
    RefuseEnqueue(worker, request.ref, producer.error().message, line);
    return;
  }
  Enqueue job;
  job.task = request.job.task;
  job.payload = request.job.args;
  job.unique = request.job.unique;
  job.priority = ParsePriority(request.job.priority).value_or(Priority::kNormal);
  job.delay = Duration{request.job.delay_ms};
  job.max_attempts = static_cast<int>(request.job.max_attempts);
  const std::uint64_t number = next_request_++;
  Waiting& waiting = waiting_[number];
  waiting.slot = worker.slot;
  waiting.life = core_->slot(worker.slot).life;
  waiting.ref = request.ref;
  waiting.line = line.substr(0, kQuoted);
  (*producer)->Put(number, std::move(job));
}

void Supervisor::RefuseEnqueue(WorkerProcess& worker, std::string_view ref, std::string_view why,
                               std::string_view line) {
  Violate(worker, "V16", why, line, Weight::kCounted);
  Reply(worker, ref, false, why);
}

void Supervisor::Reply(WorkerProcess& worker, std::string_view ref, bool ok, std::string_view why) {
  if (ref.empty() || worker.child == nullptr) return;
  proto::AppendReply(worker.child->buffer(), ref, ok, "", why);
  MarkDirty(worker);
}

}  // namespace workmand
