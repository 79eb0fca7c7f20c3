// The one worker of `workman run`: told, limited and stopped as a daemon would do it, by the ladder
// notice, abort, kill. Driven by Run; blocks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/time.h"
#include "daemon/cli/console.h"
#include "daemon/cli/interrupt.h"
#include "daemon/cli/worker_talk.h"
#include "daemon/profile/profile.h"
#include "protocol/messages.h"

namespace workmand::cli {

class HandWorker {
 public:
  /// What became of the job.
  struct Ending {
    enum class How { kDone, kFailed, kLost, kTimedOut, kInterrupted };
    How how = How::kLost;
    std::string text;                   ///< the result, the job's own message, or a sentence
    bool base64 = false;                ///< of a result
    ExitCode code = ExitCode::kFailed;  ///< of kInterrupted
  };

  HandWorker(std::unique_ptr<WorkerTalk> talk, const Profile& profile, const Interrupt& interrupt);

  void Greet(std::string_view hello) { talk_->Send(hello); }
  /// Nothing when it is ready; else it has been stopped, and this is why.
  [[nodiscard]] std::optional<Ending> AwaitReady();
  [[nodiscard]] const workman::protocol::Ready& ready() const { return ready_; }
  /// Sends the job and waits for its end. `time_limit` 0 = none.
  [[nodiscard]] Ending Work(const std::string& id, std::string_view line, Duration time_limit);
  /// Tells it to go, and waits until it has gone.
  void Leave();

 private:
  enum class Rung { kNone, kNotice, kCancel, kAbort, kKill };

  /// Waits for lines, signals and the end, and deals with them; false when it was `deadline`.
  bool Listen(TimePoint deadline);
  /// As Listen; also climbs the ladder when a rung is due.
  void Step();
  /// It has ended, and no more of its output will come.
  [[nodiscard]] bool Gone() const;
  [[nodiscard]] Ending NotReady();
  void OnLine(const std::string& line);
  void OnMessage(const workman::protocol::FromWorker& message);
  void OnNote(const workman::protocol::FromWorker& message);
  void OnEnqueue(const workman::protocol::EnqueueRequest& request);
  void OnInterrupt(ExitCode code);
  void OnTimeLimit();
  void Extend(Duration by);
  void Abort();
  void Kill();
  [[nodiscard]] Ending LostEnding();
  [[nodiscard]] bool Named(std::string_view feature) const;

  const Profile& profile_;
  const Interrupt& interrupt_;
  std::unique_ptr<WorkerTalk> talk_;
  workman::protocol::Ready ready_;
  bool is_ready_ = false;
  std::string id_;  ///< of the job that runs; empty = none
  Duration limit_{0};
  std::optional<Ending> ending_;
  Rung rung_ = Rung::kNone;
  TimePoint rung_at_ = kNever;     ///< when the next rung is due
  TimePoint limit_at_ = kNever;    ///< when the job is over its time limit
  TimePoint last_limit_ = kNever;  ///< how far extensions may move it
  TimePoint gone_at_ = kNever;     ///< when its output is given up
  bool timed_out_ = false;
  std::optional<ExitCode> interrupted_;
};

}  // namespace workmand::cli
