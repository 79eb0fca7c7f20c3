// The driver `q4m`: how jobs end, and what is given back because nobody asked for it.
#include <algorithm>
#include <utility>

#include "daemon/queue/drivers/q4m_queue.h"

namespace workmand::q4m {
namespace {

/// What was taken and not asked for goes back after so long.
constexpr Duration kIdle{1'000};
/// A connection that nobody needed for so long is closed.
constexpr Duration kUnused{60'000};

void Send(sql::MySession& session, const char* text) {
  const sql::Statement statement{text, {}};
  session.Send({&statement, 1}, sql::Frame::kWhole);
}

void SendEnd(sql::MySession& session) {
  Send(session, "SELECT queue_end()");
}
/// The row has its old place then, before all that was put later.
void SendAbort(sql::MySession& session) {
  Send(session, "SELECT queue_abort()");
}

/// A failure that is to be retried is not for this driver to delay; should one reach it, the job
/// must not be lost.
bool Removes(const Update& update) {
  return update.kind == Update::Kind::kDone ||
         (update.kind == Update::Kind::kFail && !update.retry);
}

}  // namespace

void Q4mQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  (void)Desk();
  struct Sent {
    std::size_t update;
    Lane* lane;
  };
  std::vector<Sent> sent;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& update = updates[i];
    answers[i] = Applied::kUnsupported;
    if (!IsSettlement(update.kind)) continue;
    const auto found = holds_.find(update.token);
    answers[i] = Applied::kLost;
    if (found == holds_.end()) continue;
    if (!update.enqueue.empty() && !PutFollowUps(update)) {
      answers[i] = Applied::kRefused;
      continue;
    }
    Lane* const lane = found->second;
    holds_.erase(found);
    if (Removes(update)) {
      SendEnd(*lane->session);
    } else {
      SendAbort(*lane->session);
    }
    sent.push_back({i, lane});
  }
  const TimePoint now = Clock::now();
  for (const Sent& one : sent) {
    (void)one.lane->session->Receive();
    one.lane->state = Lane::State::kIdle;
    one.lane->since = now;
    answers[one.update] = Applied::kOk;
  }
}

void Q4mQueue::GiveBack(const std::vector<Lane*>& lanes) {
  for (Lane* lane : lanes) SendAbort(*lane->session);
  const TimePoint now = Clock::now();
  for (Lane* lane : lanes) {
    (void)lane->session->Receive();
    lane->state = Lane::State::kIdle;
    lane->since = now;
  }
}

void Q4mQueue::GiveBackParked(TimePoint parked_before) {
  std::vector<Lane*> lanes;
  for (const auto& lane : lanes_) {
    if (lane->state == Lane::State::kParked && lane->since <= parked_before) {
      lanes.push_back(lane.get());
    }
  }
  GiveBack(lanes);
}

void Q4mQueue::GiveBackReady() {
  const std::vector<Lane*> lanes(ready_.begin(), ready_.end());
  ready_.clear();
  GiveBack(lanes);
}

/// One idle lane stays, for the next wait.
void Q4mQueue::CloseUnused(TimePoint now) {
  bool first = true;
  std::erase_if(lanes_, [&first, now](const auto& lane) {
    if (lane->state != Lane::State::kIdle) return false;
    return !std::exchange(first, false) && now >= After(lane->since, kUnused);
  });
}

Duration Q4mQueue::Tick() {
  if (desk_ == nullptr) return kIdle;
  const TimePoint now = Clock::now();
  // Also while nobody asks: a connection that the server has closed held a row for nothing.
  (void)Watch(now, nullptr);
  if (now >= After(asked_at_, kIdle)) {
    // What comes to us now would lie here, and others may want it.
    GiveBackReady();
    GiveBackParked(kNever);
  }
  CloseUnused(now);
  return kIdle;
}

}  // namespace workmand::q4m
