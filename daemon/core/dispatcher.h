// Jobs and slots: which job goes to which worker, what its outcome means for the queue, how many
// more to fetch. Every job taken leaves by exactly one settlement. Driven by core; pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/policy.h"
#include "daemon/core/workers.h"

namespace workmand {

/// A worker's terminal message, reduced to what core needs. Views are valid during the call.
struct OutcomeReport {
  /// kDone, kFail or kAbort; kLost where a process for this job alone ended without one.
  Outcome kind = Outcome::kDone;
  std::string_view bytes;       ///< result, or error object
  std::string_view message;     ///< of a fail or abort, for the log
  std::optional<bool> retry;    ///< fail
  std::optional<bool> requeue;  ///< abort
  std::optional<Duration> delay;
  std::vector<Enqueue> enqueue;
  Duration limit{0};            ///< of a time-out, for the log
  std::string_view code;        ///< of the error that is made of a loss; empty = "lost"
  std::string_view last_words;  ///< the end of the stderr of a worker that has gone
};

/// How a worker ended, as far as its jobs are concerned. Views are valid during the call.
struct WorkerEnd {
  std::string_view how;         ///< "exit 1", "signal 11 (SIGSEGV)"
  std::string_view last_words;  ///< the end of its stderr; may be empty
  bool asked_signal = false;    ///< by the signal that it was sent
  std::string_view note{};      ///< Exit::note
  std::string_view broke{};     ///< how it broke the protocol, when that is why it was ended
};

/// Numbers since the start, for status and metrics.
struct JobCounts {
  std::uint64_t taken = 0;
  std::uint64_t done = 0;
  std::uint64_t fail = 0;
  std::uint64_t abort = 0;
  std::uint64_t lost = 0;
  std::uint64_t timeout = 0;
  std::uint64_t dead = 0;
  std::uint64_t returned = 0;  ///< given back without having run
  std::uint64_t settled = 0;   ///< all of them that have left
};

/// Enough for 20 ms of the shortest jobs.
inline constexpr int kMostHeld = 4096;

/// What the queue can do, as far as it matters here.
struct QueueTraits {
  bool retry_delay = true;  ///< a failed job can go back with a delay; else it is retried in hand
  /// So many jobs may the daemon hold for busy workers by its own choice; 0: none at all, because
  /// that would keep them from others.
  int most_held = kMostHeld;
};

class Dispatcher {
 public:
  /// Writes an error object from a code, a sentence and the end of a worker's stderr (may be
  /// empty): core knows no JSON.
  using MakeError = std::function<std::string(std::string_view code, std::string_view message,
                                              std::string_view last_words)>;

  Dispatcher(Workers& workers, Outbox& outbox, Random& random, QueueTraits traits,
             MakeError make_error);

  void SetLimits(std::shared_ptr<const Limits> limits);
  /// Jobs from the queue.
  void Take(std::vector<Job>& jobs, TimePoint now);
  /// Gives what is held to free workers.
  void Dispatch(TimePoint now);
  /// The terminal message of a live delivery.
  void Settle(Slot& slot, Delivery& delivery, OutcomeReport& report, TimePoint now);
  /// What was in flight in a worker that ended.
  void SettleRest(const Slot& slot, std::vector<Delivery> rest, const WorkerEnd& end,
                  TimePoint now);
  /// The queue has answered an outcome that may have had follow-up jobs with it. Refused: nothing
  /// of it was settled, and the job has failed, by the rules for any failure. False: not known
  /// here.
  bool OnAnswered(Token token, bool refused);
  /// Gives back everything that does not run.
  void GiveBackHeld();
  /// At a stop: the same, and nothing is kept in hand from now on.
  void Close();
  /// The queue's session, and every token of it, is gone: held jobs are dropped, running ones run
  /// on.
  void ForgetHeld();

  /// Tells that what a slot can take may have changed.
  void Refresh(Slot& slot);
  /// How many jobs more to fetch now. `growing`: one more although nobody is free, to learn of
  /// demand.
  [[nodiscard]] std::int64_t Credit(bool growing) const;
  /// Someone could take a job at once, and none is held for it.
  [[nodiscard]] bool Starving() const { return free_ > 0 && held_.empty(); }
  [[nodiscard]] std::size_t held() const { return held_.size() + later_.size(); }
  [[nodiscard]] bool has_unserved() const { return !held_.empty(); }
  /// A held job has waited so long that it shall be given back, or a retry in hand is due.
  [[nodiscard]] TimePoint NextDeadline() const;
  void OnDeadline(TimePoint now);
  /// Emits a Subscribe when the tasks to fetch differ from the last ones. `serving`: what the live
  /// workers announced.
  void UpdateSubscription(const std::vector<const Announcement*>& serving);

  [[nodiscard]] const JobCounts& counts() const { return counts_; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

 private:
  struct Held {
    HeldJob job;
    TimePoint since;
  };
  enum class Tier : std::uint8_t { kNone, kRun, kPark };
  struct Place {
    std::list<SlotId> node;  ///< one element while the slot is in no list
    std::list<SlotId>::iterator at;
    Tier tier = Tier::kNone;
    std::int64_t room = 0;
    std::int64_t runs = 0;
  };

  Slot* PickSlot(const Job& job);
  [[nodiscard]] bool AtLimit(const std::string& task) const;
  void Give(Slot& slot, Held held, TimePoint now);
  void Fail(const Slot* slot, HeldJob job, const JobPolicy& policy, Outcome outcome,
            OutcomeReport& report, TimePoint now);
  void AbortJob(const Slot* slot, HeldJob job, const JobPolicy& policy, OutcomeReport& report,
                TimePoint now);
  void GiveBack(HeldJob job);
  /// With a `policy`: what becomes of the job should its follow-up jobs be refused.
  void Push(HeldJob job, Update update, const JobPolicy* policy = nullptr);
  void Report(const Slot* slot, const Job& job, Outcome outcome, action::JobEnded::Next next,
              Duration delay, const OutcomeReport& report);
  void MeasureRun(const Delivery& delivery, TimePoint now);
  [[nodiscard]] std::int64_t PrefetchRoom() const;

  Workers& workers_;
  Outbox& outbox_;
  Random& random_;
  QueueTraits traits_;
  MakeError make_error_;
  std::shared_ptr<const Limits> limits_;

  std::deque<Held> held_;
  std::multimap<TimePoint, HeldJob> later_;  ///< retries in hand, by when they are due
  std::list<SlotId> run_free_;               ///< can start a job at once, longest idle first
  std::list<SlotId> park_free_;              ///< can park one behind what they run
  std::vector<Place> places_;
  std::int64_t free_ = 0;  ///< room in all open slots
  std::size_t in_flight_ = 0;
  std::int64_t run_capacity_ = 0;  ///< jobs that all open slots run at once
  bool has_task_limits_ = false;
  struct Riding {
    std::shared_ptr<const Job> job;
    JobPolicy policy;
    bool dead = false;  ///< it was not to be tried again anyway
  };
  std::map<Token, Riding> riding_;  ///< settled with follow-up jobs, and not answered yet
  bool closed_ = false;
  double mean_run_us_ = 0;
  int measured_ = 0;
  JobCounts counts_;
  bool subscribed_any_ = false;
  std::vector<std::string> subscribed_;
};

}  // namespace workmand
