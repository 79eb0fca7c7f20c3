// Jobs through the running daemon, for a queue that only the daemon can reach.
#include <optional>
#include <utility>

#include "daemon/admin/client.h"
#include "daemon/cli/client_socket.h"
#include "daemon/cli/target.h"

namespace workmand::cli {
namespace {

constexpr std::string_view kGone = "the daemon has gone before it answered";

/// The arguments travel as base64, so that they arrive byte for byte whatever they are.
Request MakeRequest(const Enqueue& job) {
  Request request;
  request.verb = Verb::kEnqueue;
  request.enqueue.job = job;
  request.enqueue.form = ArgsForm::kBytes;
  request.enqueue.wait = job.foreground;
  request.notes = job.foreground;
  return request;
}

WaitEnd FromAnswer(const Answer& answer) {
  if (answer.ok) return {WaitEnd::How::kDone, answer.result.value_or("")};
  if (answer.timed_out) return {WaitEnd::How::kTimeout, {}};
  return {answer.job_failed ? WaitEnd::How::kFailed : WaitEnd::How::kLost, answer.error};
}

class DaemonTarget : public Target {
 public:
  explicit DaemonTarget(ClientSocket socket) : socket_(std::move(socket)) {}

  Result<std::string> Put(const Enqueue& job) override {
    if (auto sent = socket_.Send(RenderRequest(MakeRequest(job))); !sent) {
      return tl::unexpected(sent.error());
    }
    for (;;) {
      std::string line;
      if (socket_.Read(line, kNever, nullptr) != ClientSocket::Heard::kLine) {
        return Fail(ErrorCode::kUnavailable, std::string(kGone));
      }
      Result<Answer> answer = ParseAnswer(line);
      if (!answer) return tl::unexpected(answer.error());
      if (answer->is_note && answer->id.empty()) continue;
      if (!answer->is_note && answer->id.empty()) {
        return Fail(ErrorCode::kRefused, answer->ok ? "the daemon gave no id" : answer->error);
      }
      std::string id = answer->id;
      if (!answer->is_note) outcome_ = std::move(*answer);
      return id;
    }
  }

  Result<void> PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                       std::vector<std::string>& why) override {
    ids.assign(jobs.size(), {});
    why.assign(jobs.size(), {});
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      Result<std::string> id = Put(jobs[i]);
      if (id) {
        ids[i] = std::move(*id);
      } else if (id.error().code == ErrorCode::kRefused) {
        why[i] = id.error().message;
      } else {
        return tl::unexpected(id.error());
      }
    }
    return {};
  }

  WaitEnd Wait(const std::string& /*id*/, TimePoint deadline, const Interrupt& interrupt) override {
    // Without a note the outcome itself was the first thing that told the id.
    if (outcome_) return FromAnswer(*outcome_);
    for (;;) {
      std::string line;
      switch (socket_.Read(line, deadline, &interrupt)) {
        case ClientSocket::Heard::kLine: break;
        case ClientSocket::Heard::kClosed: return {WaitEnd::How::kLost, std::string(kGone)};
        case ClientSocket::Heard::kTimeout: return {WaitEnd::How::kTimeout, {}};
        case ClientSocket::Heard::kInterrupted: return {WaitEnd::How::kInterrupted, {}};
      }
      const Result<Answer> answer = ParseAnswer(line);
      if (!answer) return {WaitEnd::How::kLost, answer.error().message};
      if (!answer->is_note) return FromAnswer(*answer);
    }
  }

  [[nodiscard]] std::string_view fate() const override {
    return "it stays with the daemon and may still run";
  }

 private:
  ClientSocket socket_;
  std::optional<Answer> outcome_;
};

}  // namespace

Result<std::unique_ptr<Target>> OpenDaemonTarget(const Profile& profile) {
  Result<ClientSocket> socket = ClientSocket::Connect(SocketPaths(profile));
  if (socket) return std::make_unique<DaemonTarget>(std::move(*socket));
  return Fail(socket.error().code, "a queue of the driver " + profile.queue.driver +
                                       " lives in its daemon; " + socket.error().message);
}

}  // namespace workmand::cli
