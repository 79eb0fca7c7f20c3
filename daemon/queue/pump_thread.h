// What the pump's thread does: round after round it takes what the loop has posted, applies it,
// renews leases, and fetches jobs for the credit there is. It owns the driver; the mailbox is all
// that it shares with the loop.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_set>
#include <vector>

#include "daemon/queue/linger.h"
#include "daemon/queue/pump.h"
#include "daemon/queue/pump_mailbox.h"
#include "daemon/queue/session.h"

namespace workmand {

class PumpThread {
 public:
  /// Updates for one Apply, and jobs for one Dequeue, at most.
  static constexpr std::size_t kBatch = 256;

  PumpThread(std::unique_ptr<Queue> driver, const PumpOptions& options, PumpMailbox& mailbox);

  /// Returns after PumpMailbox::Stop, with the driver disconnected.
  void Run();

 private:
  void TryConnect();
  void LoseSession();
  void PublishState();

  /// One turn with the link up; throws what the driver throws.
  void Turn();
  void ApplyPending();
  void ApplyBatch(std::span<const Update> batch);
  void ApplyEach(std::span<const Update> batch, std::span<Applied> answers);
  void Report(const Update& update, Applied answer);
  void RenewLeases();
  [[nodiscard]] std::size_t FetchSize() const;
  void Fetch();
  void Deliver();
  void MeasureDepth();

  /// With the link down.
  void AnswerPendingAsLost(bool all);
  void WaitForRetry();
  void Finish();

  QueueSession session_;
  PumpOptions options_;
  PumpMailbox& mailbox_;
  Caps caps_;

  PumpMailbox::Round round_;
  std::vector<Update> pending_;
  std::size_t answered_ = 0;  ///< so many of `pending_` are through
  std::vector<Applied> answers_;
  std::vector<AppliedUpdate> report_;
  std::vector<Job> jobs_;
  std::unordered_set<Token> held_;  ///< to be renewed, where the driver has leases
  bool depth_asked_ = false;
  bool busy_ = false;  ///< something was posted in this round
  TimePoint next_tick_;
  TimePoint next_renewal_ = kNever;
  PumpState state_;
};

}  // namespace workmand
