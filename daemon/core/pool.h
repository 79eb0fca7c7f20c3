// How many workers, of which generation, and who goes: what is wanted, as against what is
// (workers.h). Starts, replaces, recycles, reloads with roll-back, backs off from start failures.
// Driven by core; pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/core/dispatcher.h"
#include "daemon/core/policy.h"
#include "daemon/core/workers.h"

namespace workmand {

/// How a worker ended, as far as core must know.
struct Exit {
  std::optional<int> code;    ///< it exited by itself
  std::optional<int> signal;  ///< it was ended by a signal
  std::string how;            ///< "exit 1", "signal 11 (SIGSEGV)"
  /// It can never work with this profile (an announcement that breaks the contract).
  bool unusable = false;
  std::string last_words{};  ///< the end of its stderr; empty = nothing is known
  std::string note{};        ///< why its job had to fail, where the supervisor knows; else empty
  std::string broke{};       ///< the violation that it was ended for; empty = none
  /// What ended it has ended others, too, and is counted with one of them.
  bool counted = false;
};

class Pool {
 public:
  Pool(Workers& workers, Dispatcher& dispatcher, Outbox& outbox, Random& random);

  /// The first generation. Workers start with the next Balance.
  void Begin(std::shared_ptr<const Limits> limits);
  /// A new generation: one worker of it must get ready before anything else happens. A reload that
  /// is still pending is superseded.
  Generation Reload(std::shared_ptr<const Limits> limits, TimePoint now);
  /// `step` 1: everything ends in its own time; 2: the abort rung now; 3: SIGKILL now.
  void Stop(int step, TimePoint now);
  /// How many workers there shall be, until the next reload.
  void Scale(int workers, TimePoint now);

  void OnReady(Slot& slot, TimePoint now);
  void OnJobFinished(Slot& slot);
  /// After Workers::Gone. `cause`, `ever_ready` and the like are still those of the ended life.
  void OnGone(Slot& slot, const Exit& exit, TimePoint now);
  /// What the profile runs cannot work: nobody takes a job before the next reload.
  void Hold(const Slot& slot, const std::string& why, TimePoint now);
  /// Starts and retires what the present state calls for.
  void Balance(TimePoint now);
  /// When Balance must run next although nothing happens.
  [[nodiscard]] TimePoint NextDeadline() const;

  [[nodiscard]] Generation generation() const { return committed_; }
  [[nodiscard]] std::optional<Generation> pending() const;
  [[nodiscard]] const std::shared_ptr<const Limits>& limits() const { return limits_; }
  [[nodiscard]] int target() const { return target_; }
  [[nodiscard]] bool degraded() const { return degraded_; }
  [[nodiscard]] const std::string& why_degraded() const { return why_degraded_; }
  [[nodiscard]] bool reloading() const { return pending_.has_value() || rolling_; }
  [[nodiscard]] bool stopping() const { return stop_step_ > 0; }
  [[nodiscard]] bool serving() const { return served_; }
  /// A job more would make the pool grow.
  [[nodiscard]] bool CanGrow() const;

 private:
  struct Pending {
    Generation generation;
    std::shared_ptr<const Limits> limits;
    int failures = 0;
    TimePoint next_start{};
  };
  struct Census {
    int current = 0;  ///< of the committed generation, alive and not going
    int current_ready = 0;
    int current_booting = 0;
    int old = 0;           ///< older, alive and not going
    int old_draining = 0;  ///< older, finishing a job
    int old_leaving = 0;   ///< older, on their way out without a job
    int pending = 0;
    int alive = 0;
  };

  [[nodiscard]] Census Count() const;
  void StartOne(Generation generation, const std::shared_ptr<const Limits>& limits, TimePoint now);
  [[nodiscard]] bool MayStart(TimePoint now) const;
  void StartMissing(Census& census, TimePoint now);
  void RetireSurplus(Census& census, TimePoint now);
  void RollOn(Census& census, TimePoint now);
  void AdjustDynamic(Census& census, TimePoint now);
  void Commit(TimePoint now);
  void RollBack(const std::string& why, TimePoint now);
  void CountFailure(const Slot& slot, const Exit& exit, TimePoint now);
  void Degrade(std::string why);
  void Recover();
  void ResetTarget();
  Slot* LongestIdle(Generation generation, bool older);
  Slot* AnyOldOpen();
  [[nodiscard]] Duration Backoff(const Limits& limits, int failures) const;
  void Emit(action::PoolEvent::Kind kind, Generation generation, int number, std::string why);

  Workers& workers_;
  Dispatcher& dispatcher_;
  Outbox& outbox_;
  Random& random_;

  std::shared_ptr<const Limits> limits_;  ///< of the committed generation
  Generation committed_{1};
  Generation newest_{1};
  std::optional<Pending> pending_;
  bool rolling_ = false;  ///< a committed reload is not through yet
  int target_ = 0;

  int failures_ = 0;   ///< start failures in a row
  int tempfails_ = 0;  ///< exits 75 before `ready`, which only slow the respawn down
  bool failed_after_ready_ = false;
  bool degraded_ = false;
  bool hold_ = false;  ///< no start until a reload: exit 78, or an unusable announcement
  std::string why_degraded_;
  TimePoint next_start_{};
  TimePoint last_start_ = TimePoint::min();

  bool served_ = false;
  int stop_step_ = 0;
  bool stopped_ = false;
};

}  // namespace workmand
