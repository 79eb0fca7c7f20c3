#include "daemon/cli/hand_worker.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>
#include <variant>

#include "daemon/cli/worker_lines.h"
#include "daemon/profile/units.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/json_slicer.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

constexpr std::size_t kShown = 200;
constexpr Duration kSecond{1'000};
/// How long stdout is awaited behind the end of the process.
constexpr Duration kOutputGrace{250};

std::string Raw(const wire::Payload& payload) {
  return std::string(payload.is_base64() ? payload.base64 : payload.json);
}

/// Follow-ups have nowhere to go here.
void TellFollowUps(std::string_view raw_array) {
  if (raw_array.empty()) return;
  (void)wire::ForEachElement(raw_array, [](std::string_view one) {
    Complain("not enqueued, there is no queue: " + OnOneShortLine(one, kShown));
    return true;
  });
}

std::string PrintCount(double number) {
  std::string text = std::to_string(number);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

HandWorker::HandWorker(std::unique_ptr<WorkerTalk> talk, const Profile& profile,
                       const Interrupt& interrupt)
    : profile_(profile), interrupt_(interrupt), talk_(std::move(talk)) {
  talk_->WatchAlso(interrupt_.fd());
}

bool HandWorker::Named(std::string_view feature) const {
  return std::ranges::find(ready_.features, feature) != ready_.features.end();
}

bool HandWorker::Gone() const {
  return talk_->end() && (talk_->output_ended() || Clock::now() >= gone_at_);
}

bool HandWorker::Listen(TimePoint deadline) {
  // What a child of the worker holds open is not awaited for long.
  const bool news = talk_->Wait(std::min(deadline, gone_at_), [this] {
    return talk_->has_line() || Gone() || interrupt_.Pending() ||
           (talk_->end() && gone_at_ == kNever);
  });
  if (talk_->end() && gone_at_ == kNever) gone_at_ = After(Clock::now(), kOutputGrace);
  while (const std::optional<std::string> line = talk_->TakeLine()) OnLine(*line);
  if (const std::optional<ExitCode> code = interrupt_.Take()) OnInterrupt(*code);
  return news;
}

void HandWorker::Step() {
  (void)Listen(std::min(rung_at_, limit_at_));
  const TimePoint now = Clock::now();
  if (now >= limit_at_) OnTimeLimit();
  if (now < rung_at_ || talk_->end()) return;
  if (rung_ == Rung::kAbort) {
    Kill();
  } else {
    Abort();
  }
}

std::optional<HandWorker::Ending> HandWorker::AwaitReady() {
  const TimePoint deadline = After(Clock::now(), profile_.start_timeout);
  while (!is_ready_ && !Gone() && !ending_ && !interrupted_ && Clock::now() < deadline) {
    (void)Listen(deadline);
  }
  if (is_ready_ && !interrupted_) return std::nullopt;
  if (interrupted_) {
    ending_ = Ending{Ending::How::kInterrupted, "stopped before the job", false, *interrupted_};
  } else if (!ending_) {
    ending_ = NotReady();
  }
  Leave();
  return ending_;
}

HandWorker::Ending HandWorker::NotReady() {
  Ending ending;
  if (Gone()) {
    ending.text = "the worker ended before it was ready: " + talk_->end()->ToString();
    return ending;
  }
  ending.text = "the worker was not ready within " + PrintDuration(profile_.start_timeout);
  talk_->CloseInput();
  const TimePoint deadline = After(Clock::now(), kSecond);
  while (!is_ready_ && !Gone() && Clock::now() < deadline) (void)Listen(deadline);
  if (is_ready_) ending.text += ": it does not flush its stdout";
  return ending;
}

HandWorker::Ending HandWorker::Work(const std::string& id, std::string_view line,
                                    Duration time_limit) {
  id_ = id;
  limit_ = time_limit;
  if (limit_ > Duration{0}) {
    limit_at_ = After(Clock::now(), limit_);
    last_limit_ = After(limit_at_, profile_.max_timeout);
  }
  talk_->Send(line);
  while (!ending_ && !Gone()) Step();
  id_.clear();
  limit_at_ = kNever;
  if (!ending_) ending_ = LostEnding();
  const bool good = ending_->how == Ending::How::kDone;
  if (!good && timed_out_) {
    return {Ending::How::kTimedOut, "the job ran over its time limit of " + PrintDuration(limit_),
            false, ExitCode::kTimedOut};
  }
  if (!good && interrupted_) {
    return {Ending::How::kInterrupted, "the job was stopped", false, *interrupted_};
  }
  return *ending_;
}

HandWorker::Ending HandWorker::LostEnding() {
  return {Ending::How::kLost,
          "the worker ended without an outcome of the job: " + talk_->end()->ToString(), false,
          ExitCode::kFailed};
}

void HandWorker::Leave() {
  if (rung_ == Rung::kNone) {
    std::string line;
    wire::AppendShutdown(line, "stop", -1);
    talk_->Send(line);
  }
  talk_->CloseInput();
  const TimePoint grace = After(Clock::now(), profile_.exit_grace);
  if (rung_ == Rung::kNone || rung_ == Rung::kNotice) {
    rung_at_ = std::min(rung_at_, grace);
    const TimePoint term = After(Clock::now(), kSecond);
    while (!talk_->end() && Clock::now() < std::min(term, rung_at_)) (void)Listen(term);
    if (!talk_->end() && profile_.stop_signal != StopSignal::kNone) talk_->Signal(SIGTERM);
  }
  while (!talk_->end()) Step();
  if (profile_.kill_group) talk_->SignalGroup(SIGKILL);
}

void HandWorker::OnLine(const std::string& line) {
  wire::Decoded decoded = wire::Decode(line);
  std::string_view of = line;
  const bool garbage = std::holds_alternative<wire::Garbage>(decoded);
  if (garbage && !id_.empty()) {
    const std::array<std::string_view, 1> live = {id_};
    const wire::Salvage found = wire::FindOutcome(line, live);
    if (!found.message.empty()) {
      Complain("an outcome with other text before it on stdout was saved");
      of = found.message;
      decoded = wire::Decode(of);
    } else if (found.damaged) {
      ending_ = Ending{Ending::How::kLost, "a damaged outcome: " + OnOneShortLine(line, kShown)};
      return Abort();
    }
  }
  if (const auto* message = std::get_if<wire::FromWorker>(&decoded)) return OnMessage(*message);
  if (const auto* bad = std::get_if<wire::Malformed>(&decoded)) {
    Complain("a message that breaks the protocol: " + bad->why + ": " + OnOneShortLine(of, kShown));
    const bool ends = (bad->terminal && bad->id == id_ && !id_.empty()) || bad->type == "ready";
    if (ends && !ending_) {
      ending_ = Ending{Ending::How::kLost, "the worker breaks the protocol: " + bad->why};
      Abort();
    }
    return;
  }
  if (!std::holds_alternative<wire::Blank>(decoded)) PrintError("stdout: " + line);
}

void HandWorker::OnMessage(const wire::FromWorker& message) {
  const auto mine = [this](std::string_view id) { return !ending_ && !id_.empty() && id == id_; };
  if (const auto* ready = std::get_if<wire::Ready>(&message)) {
    if (!std::exchange(is_ready_, true)) ready_ = *ready;
  } else if (const auto* done = std::get_if<wire::Done>(&message)) {
    if (!mine(done->id)) return Complain("an outcome of no job here: " + std::string(done->id));
    TellFollowUps(done->enqueue);
    ending_ = Ending{Ending::How::kDone, done->result.absent() ? "null" : Raw(done->result),
                     done->result.is_base64(), ExitCode::kOk};
  } else if (const auto* fail = std::get_if<wire::Fail>(&message)) {
    if (!mine(fail->id)) return Complain("an outcome of no job here: " + std::string(fail->id));
    TellFollowUps(fail->enqueue);
    ending_ = Ending{Ending::How::kFailed, wire::ErrorMessage(fail->error)};
  } else if (const auto* abort = std::get_if<wire::Abort>(&message)) {
    if (!mine(abort->id)) return Complain("an outcome of no job here: " + std::string(abort->id));
    TellFollowUps(abort->enqueue);
    ending_ = Ending{Ending::How::kLost, "the worker gave the job back" +
                                             (abort->reason.empty() ? "" : ": " + abort->reason)};
  } else {
    OnNote(message);
  }
}

void HandWorker::OnNote(const wire::FromWorker& message) {
  if (const auto* progress = std::get_if<wire::Progress>(&message)) {
    std::string text = "progress " + PrintCount(progress->done);
    if (progress->total > 0) text += "/" + PrintCount(progress->total);
    if (!progress->message.empty()) text += " " + progress->message;
    Complain(text);
  } else if (const auto* data = std::get_if<wire::Data>(&message)) {
    Complain((data->warn ? "warning " : "data ") + OnOneShortLine(Raw(data->data), kShown));
  } else if (const auto* log = std::get_if<wire::Log>(&message)) {
    Complain(log->level + " " + log->message +
             (log->fields.empty() ? "" : " " + std::string(log->fields)));
  } else if (const auto* beat = std::get_if<wire::Heartbeat>(&message)) {
    if (beat->extend_ms > 0) Extend(Duration(beat->extend_ms));
  } else if (const auto* request = std::get_if<wire::EnqueueRequest>(&message)) {
    OnEnqueue(*request);
  }
}

void HandWorker::OnEnqueue(const wire::EnqueueRequest& request) {
  Complain("not enqueued, there is no queue: " + request.job.task + " " +
           OnOneShortLine(request.job.args, kShown));
  if (request.ref.empty()) return;
  std::string reply;
  wire::AppendReply(reply, request.ref, false, {}, "there is no queue behind workman run");
  talk_->Send(reply);
}

void HandWorker::Extend(Duration by) {
  if (limit_at_ == kNever || timed_out_) return;
  limit_at_ = std::min(After(limit_at_, by), last_limit_);
}

void HandWorker::OnInterrupt(ExitCode code) {
  if (interrupted_ || rung_ != Rung::kNone) {
    interrupted_ = interrupted_.value_or(code);
    const bool aborted = rung_ == Rung::kAbort || rung_ == Rung::kKill;
    Complain(aborted ? "killing the worker" : "aborting the job");
    return aborted ? Kill() : Abort();
  }
  interrupted_ = code;
  Complain(id_.empty() ? "stopping" : "stopping behind the job; once more aborts it");
  std::string line;
  const Duration grace = profile_.graceful_shutdown_timeout;
  wire::AppendShutdown(line, "stop", grace == kInfinite ? -1 : grace.count());
  talk_->Send(line);
  const bool term = profile_.stop_signal == StopSignal::kAlways ||
                    (profile_.stop_signal == StopSignal::kAuto && ready_.handles_term);
  if (term) talk_->Signal(SIGTERM);
  rung_ = Rung::kNotice;
  rung_at_ = After(Clock::now(), grace);
}

void HandWorker::OnTimeLimit() {
  limit_at_ = kNever;
  if (rung_ == Rung::kAbort || rung_ == Rung::kKill) return;
  timed_out_ = true;
  if (!Named("cancel")) return Abort();
  std::string line;
  wire::AppendCancel(line, id_, "timeout");
  talk_->Send(line);
  rung_ = Rung::kCancel;
  rung_at_ = After(Clock::now(), kSecond);
}

void HandWorker::Abort() {
  if (!id_.empty() && rung_ != Rung::kCancel) {
    std::string line;
    wire::AppendCancel(line, id_, timed_out_ ? "timeout" : "shutdown");
    talk_->Send(line);
  }
  talk_->Signal(SIGABRT);
  rung_ = Rung::kAbort;
  rung_at_ = After(Clock::now(), profile_.abort_timeout);
}

void HandWorker::Kill() {
  talk_->SignalGroup(SIGKILL);
  talk_->Signal(SIGKILL);
  rung_ = Rung::kKill;
  rung_at_ = kNever;
}

}  // namespace workmand::cli
