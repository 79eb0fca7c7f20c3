// Mode lines: a filter that knows nothing of jobs. One message in, one message out, in order; one
// job in flight, so that an answer can only be that job's.
#include <utility>

#include "daemon/base/log.h"
#include "daemon/profile/stdbuf.h"
#include "daemon/supervisor.h"
#include "protocol/encode.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

constexpr std::string_view kBuffers =
    "the answer came only at the end of the input: the program keeps its output in a buffer when "
    "that is a pipe; use its own switch (jq --unbuffered, sed -u, grep --line-buffered, awk with "
    "fflush(), perl with $|=1, python3 -u) or lines.stdbuf: true";
constexpr std::string_view kNoAnswer =
    "it ended without an answer when its input ended; a filter answers every line (in jq: … // "
    "null)";

}  // namespace

void UnbufferOutput(std::map<std::string, std::string>& env) {
  env["_STDBUF_O"] = "L";
  std::string& preload = env["LD_PRELOAD"];
  preload += (preload.empty() ? "" : ":") + FindStdbufLibrary();
}

void Supervisor::PrepareFilter(WorkerProcess& worker, io::ChildEvents& events) {
  worker.filter = std::make_unique<Filter>(*worker.profile);
  events.on_stdout = [this, &worker](std::string_view bytes) {
    worker.filter->frames.Feed(bytes, [&](const Frame& frame) { OnFrame(worker, frame); });
  };
  events.on_started = [this, &worker] { OnAnnounced(worker); };
}

void Supervisor::SendToFilter(WorkerProcess& worker, const Delivery& delivery) {
  const Profile& profile = *worker.profile;
  const Job& job = delivery.job.get();
  FittedInput input = FitInput(job.payload, profile.payload, text_scratch_);
  Unfit& unfit = input.unfit;
  if (unfit.code.empty() && !FitsFraming(input.bytes, profile.lines.framing)) {
    unfit = {"payload_has_newline",
             "the payload has a line feed, so it is no line (lines.framing can be netstring or "
             "u32be)"};
  }
  if (unfit.code.empty() && input.bytes.size() > profile.max_line) {
    unfit = {"payload_too_large", "the job does not fit max_line"};
  }
  if (!unfit.code.empty()) return FailUnfit(worker.slot, delivery.id, unfit);
  AppendFrame(worker.child->buffer(), input.bytes, profile.lines.framing);
  MarkDirty(worker);
  worker.sending.push_back({delivery.id, worker.child->bytes_queued()});
}

void Supervisor::OnFrame(WorkerProcess& worker, const Frame& frame) {
  const Slot& slot = core_->slot(worker.slot);
  if (slot.in_flight.empty()) {
    // What a filter still had to say when it was told to go answers nobody.
    if (slot.told || slot.rung_at != kNever) return;
    Violate(worker, "V22", "wrote something while no job ran: its answers are out of step",
            frame.bytes, Weight::kSevere);
    return;
  }
  if (frame.is == Frame::Is::kBroken) {
    Violate(worker, "V23", "its output is not framed as lines.framing says", frame.bytes,
            Weight::kSevere);
    return;
  }
  const Delivery& live = slot.in_flight.front();
  Filter& filter = *worker.filter;
  if (live.timed_out && filter.answers == 0) {
    filter.answered_at_eof = true;  // NoteOfEnd tells it
    return;
  }
  ++filter.answers;
  OutcomeReport report;
  FilterAnswer answer;
  std::string error;
  if (frame.is == Frame::Is::kTooLong) {
    report.kind = Outcome::kFail;
    report.retry = false;
    report.message = "the answer does not fit max_line";
    error = proto::MakeError("result_too_large", report.message);
    report.bytes = error;
  } else {
    answer = filter.reader.Read(frame.bytes);
    report.kind = answer.ok ? Outcome::kDone : Outcome::kFail;
    report.bytes = answer.bytes;
    report.message = answer.message;
  }
  OnOutcome(worker, DeliveryId(live.id).view(), report, "", frame.bytes);
  if (frame.is == Frame::Is::kTooLong) {
    Violate(worker, "V06", "an answer longer than max_line", frame.bytes, Weight::kSevere);
  }
}

/// A filter whose time is over is told by the end of its input, a moment before the abort rung: if
/// an answer comes then, it lay in a buffer.
void Supervisor::EndInputOfFilter(WorkerProcess& worker, const action::SendCancel& cancel) {
  const Delivery* live = core_->slot(worker.slot).Find(cancel.delivery.view());
  if (worker.filter != nullptr && live != nullptr && live->timed_out) worker.child->CloseStdin();
}

std::string Supervisor::NoteOfEnd(const WorkerProcess& worker) {
  const Slot& slot = core_->slot(worker.slot);
  if (worker.filter->answered_at_eof) return std::string(kBuffers);
  const bool timed_out = !slot.in_flight.empty() && slot.in_flight.front().timed_out;
  if (timed_out && worker.filter->answers == 0 && slot.rung_at == kNever) {
    return std::string(kNoAnswer);
  }
  return {};
}

}  // namespace workmand
