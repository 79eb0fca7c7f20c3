// The driver `q4m`: how rows are waited for and taken.
#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/q4m_queue.h"

namespace workmand::q4m {
namespace {

/// How long one queue_wait lasts, in seconds. It cannot be ended early but by closing the
/// connection, and a server notices a client that is gone only when it has something to say.
constexpr int kWaitSeconds = 2;
/// So many lanes ask at once while the queue is deep.
constexpr std::size_t kMostAsking = 64;
/// A row of a task that nobody here serves is kept out of the way for so long: given back, it would
/// be the first to come again.
constexpr Duration kPark{2'000};
constexpr std::size_t kMostParked = 32;
/// Before more connections are tried for, after the server wanted no more.
constexpr Duration kCrowded{10'000};

}  // namespace

bool Q4mQueue::IsAsked(const Lane& lane) {
  return lane.state == Lane::State::kAsked || lane.state == Lane::State::kReading;
}

std::size_t Q4mQueue::Count(Lane::State state) const {
  return static_cast<std::size_t>(std::count_if(
      lanes_.begin(), lanes_.end(), [state](const auto& lane) { return lane->state == state; }));
}

TimePoint Q4mQueue::NextRelease() const {
  TimePoint next = kNever;
  for (const auto& lane : lanes_) {
    if (lane->state == Lane::State::kParked) next = std::min(next, After(lane->since, kPark));
  }
  return next;
}

void Q4mQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) {
  if (n == 0) return;
  (void)Desk();
  const std::size_t before = out.size();
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    asked_at_ = Clock::now();
    GiveBackParked(asked_at_ - kPark);
    Deliver(out, n);
    if (out.size() > before) return;
    Ask(n, waker);
    const bool woken = Watch(std::min(deadline, NextRelease()), &waker);
    if (ready_.empty() && (woken || Clock::now() >= deadline)) return;
  }
}

/// One lane waits for whatever comes. The others only look: there may be more, or not.
void Q4mQueue::Ask(std::size_t n, const Waker& waker) {
  if (watched_.empty()) return;
  std::size_t asking = Count(Lane::State::kAsked) + Count(Lane::State::kReading) + ready_.size();
  for (const std::size_t wanted = std::min(n, burst_); asking < wanted; ++asking) {
    if (Count(Lane::State::kParked) >= kMostParked) return;
    Lane* const lane = FreeLane(waker);
    if (lane == nullptr) return;
    SendWait(*lane, Count(Lane::State::kAsked) == 0 ? kWaitSeconds : 0);
  }
}

/// Null: there is none, and now is no time to open one.
Q4mQueue::Lane* Q4mQueue::FreeLane(const Waker& waker) {
  for (const auto& lane : lanes_) {
    if (lane->state == Lane::State::kIdle) return lane.get();
  }
  const TimePoint now = Clock::now();
  if (now < crowded_until_) return nullptr;
  // Connecting cannot be woken, so a wake goes first; but not each time, or none were ever opened.
  if (!put_off_ && waker.Wait(-1, 0, Duration{0}) == Waker::Why::kWoken) {
    put_off_ = true;
    return nullptr;
  }
  put_off_ = false;
  auto lane = std::make_unique<Lane>();
  try {
    lane->session = std::make_unique<sql::MySession>(settings_.server);
  } catch (const sql::Crowded& crowded) {
    if (lanes_.empty()) throw;
    crowded_until_ = After(now, kCrowded);
    log::Warn("no connection for another job",
              {{"connections", lanes_.size() + 1}, {"error", crowded.what()}});
    return nullptr;
  }
  return lanes_.emplace_back(std::move(lane)).get();
}

void Q4mQueue::SendWait(Lane& lane, int seconds) {
  sql::Statement wait;
  wait.sql = "SELECT queue_wait(";
  for (const std::size_t index : watched_)
    wait.sql += "'" + settings_.tables[index].Plain() + "', ";
  wait.sql += std::to_string(seconds) + ")";
  lane.session->Send({&wait, 1}, sql::Frame::kWhole);
  lane.watched = watched_;
  lane.state = Lane::State::kAsked;
  lane.due = After(Clock::now(), Duration{seconds * 1'000} + sql::kAnswerTimeout);
}

/// Waits for an answer on any lane and takes what there is. True: `waker` is set.
bool Q4mQueue::Watch(TimePoint until, const Waker* waker) {
  std::vector<pollfd> fds = {{waker == nullptr ? -1 : waker->fd(), POLLIN, 0},
                             {Desk().fd(), POLLIN, 0}};
  // Answers change what lanes are in, but not which there are.
  for (const auto& lane : lanes_) {
    fds.push_back({lane->session->fd(), POLLIN, 0});
    if (IsAsked(*lane)) until = std::min(until, lane->due);
  }
  constexpr Duration kLongest{60'000};
  const Duration left = std::min(Until(Clock::now(), until), kLongest);
  if (poll(fds.data(), fds.size(), static_cast<int>(left.count())) < 0) {
    if (errno == EINTR) return false;
    throw ConnectionLost("q4m: the connections cannot be polled");
  }
  // Nothing was asked there: the server says good-bye, and has given the row to somebody else.
  constexpr const char* kClosed = "q4m: the server closed a connection";
  if (fds[1].revents != 0) throw ConnectionLost(kClosed);
  const TimePoint now = Clock::now();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    const bool speaks = fds[i + 2].revents != 0;
    if (speaks && !IsAsked(lane)) throw ConnectionLost(kClosed);
    if (speaks) {
      TakeAnswer(lane);
    } else if (IsAsked(lane) && now >= lane.due) {
      throw ConnectionLost("q4m: the server gives no answer");
    }
  }
  return fds.front().revents != 0;
}

void Q4mQueue::TakeAnswer(Lane& lane) {
  try {
    if (lane.state == Lane::State::kAsked) {
      TakeWait(lane);
    } else {
      TakeRow(lane);
    }
  } catch (const Rejected& error) {
    // Nothing that is asked here can be refused: the session makes no sense any more.
    throw ConnectionLost(error.what());
  }
}

void Q4mQueue::TakeWait(Lane& lane) {
  const std::vector<sql::Rows> answer = lane.session->Receive();
  const sql::Rows& rows = answer.front();
  if (rows.size() != 1 || rows.IsNull(0, 0)) {
    throw ConnectionLost("q4m: queue_wait failed; are all of the tables of the engine QUEUE?");
  }
  const std::int64_t number = rows.Int(0, 0);
  if (number == 0) {
    lane.state = Lane::State::kIdle;
    lane.since = Clock::now();
    burst_ = 1;
    return;
  }
  if (number < 0 || static_cast<std::size_t>(number) > lane.watched.size()) {
    throw ConnectionLost("q4m: queue_wait took a row of a table that it was not asked for");
  }
  lane.table = lane.watched[static_cast<std::size_t>(number) - 1];
  const sql::Statement read{"SELECT queue_rowid(), " + Columns() + " FROM " +
                                settings_.tables[lane.table].Quoted() + " LIMIT 1",
                            {}};
  lane.session->Send({&read, 1}, sql::Frame::kWhole);
  lane.state = Lane::State::kReading;
  lane.due = After(Clock::now(), sql::kAnswerTimeout);
}

void Q4mQueue::TakeRow(Lane& lane) {
  const std::vector<sql::Rows> answer = lane.session->Receive();
  const sql::Rows& rows = answer.front();
  if (rows.columns != 4) throw ConnectionLost("q4m: an answer that makes no sense");
  if (rows.size() == 0) {
    // Somebody has deleted it by hand.
    GiveBack({&lane});
    return;
  }
  const Table& table = settings_.tables[lane.table];
  Job job;
  job.task = settings_.task_column.empty() ? table.name : std::string(rows.Bytes(0, 1));
  job.payload = rows.Bytes(0, 2);
  job.id = rows.Bytes(0, 3);
  if (job.id.empty()) job.id = table.label + ":" + std::string(rows.Bytes(0, 0));
  job.priority = PriorityOf(settings_, lane.table);
  if (!IsOurs(job.task)) {
    Park(lane, job.task);
    return;
  }
  lane.job = std::move(job);
  lane.state = Lane::State::kReady;
  ready_.push_back(&lane);
  burst_ = std::min(2 * burst_, kMostAsking);
}

void Q4mQueue::Park(Lane& lane, const std::string& task) {
  lane.state = Lane::State::kParked;
  lane.since = Clock::now();
  if (!left_alone_.insert(task).second) return;
  log::Warn("job left alone", {{"table", settings_.tables[lane.table].label},
                               {"task", task},
                               {"why", "no worker serves its task; it goes back to its table"}});
}

void Q4mQueue::Deliver(std::vector<Job>& out, std::size_t n) {
  for (; n > 0 && !ready_.empty(); --n) {
    Lane* const lane = ready_.front();
    ready_.pop_front();
    lane->state = Lane::State::kHeld;
    lane->job.token = Token{++last_token_};
    holds_.emplace(lane->job.token, lane);
    out.push_back(std::move(lane->job));
    lane->job = {};
  }
}

}  // namespace workmand::q4m
