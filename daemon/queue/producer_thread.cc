#include "daemon/queue/producer_thread.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace workmand {
namespace {

constexpr Duration kShortestTick{10};
constexpr const char* kReplyLost =
    R"({"message":"the connection to the queue was lost; the job may still be done"})";

Producer::Done PutDone(std::uint64_t request, std::string id, std::string error) {
  Producer::Done done;
  done.request = request;
  done.put = Producer::PutResult{std::move(id), std::move(error)};
  return done;
}

}  // namespace

void ProducerMailbox::Put(std::uint64_t request, Enqueue job) {
  const std::lock_guard lock(mutex_);
  in_.requests.push_back(request);
  in_.jobs.push_back(std::move(job));
  WakeThread();
}

void ProducerMailbox::Forget(std::uint64_t request) {
  // The thread need not hurry for it: it finds this when it wakes for something else.
  const std::lock_guard lock(mutex_);
  in_.forget.push_back(request);
}

void ProducerMailbox::Stop() {
  const std::lock_guard lock(mutex_);
  in_.stop = true;
  WakeThread();
}

void ProducerMailbox::Drain(std::vector<Producer::Done>& out) {
  const std::lock_guard lock(mutex_);
  std::move(out_.begin(), out_.end(), std::back_inserter(out));
  out_.clear();
  loop_woken_ = false;
}

void ProducerMailbox::Take(Round& round) {
  const std::lock_guard lock(mutex_);
  waiting_ = false;
  if (thread_woken_) (void)waker_.Take();
  thread_woken_ = false;
  round.requests.clear();
  round.jobs.clear();
  round.forget.clear();
  round.requests.swap(in_.requests);
  round.jobs.swap(in_.jobs);
  round.forget.swap(in_.forget);
  round.stop = in_.stop;
}

bool ProducerMailbox::StartWait() {
  const std::lock_guard lock(mutex_);
  waiting_ = in_.requests.empty() && !in_.stop;
  return waiting_;
}

void ProducerMailbox::Push(std::vector<Producer::Done>& done) {
  if (done.empty()) return;
  std::unique_lock lock(mutex_);
  std::move(done.begin(), done.end(), std::back_inserter(out_));
  done.clear();
  const bool woken = std::exchange(loop_woken_, true);
  lock.unlock();
  if (!woken) wake_loop_();
}

void ProducerMailbox::WakeThread() {
  if (!waiting_ || thread_woken_) return;
  thread_woken_ = true;
  waker_.Wake();
}

ProducerThread::ProducerThread(std::unique_ptr<Queue> driver, const PumpOptions& options,
                               ProducerMailbox& mailbox)
    : session_(std::move(driver), options),
      options_(options),
      mailbox_(mailbox),
      caps_(session_.driver().GetCaps()) {}

void ProducerThread::Run() {
  for (;;) {
    mailbox_.Take(round_);
    answered_ = 0;
    for (const std::uint64_t request : round_.forget) Drop(request);
    if (!session_.up() && Clock::now() >= session_.retry_at() && !round_.stop) {
      if (session_.Connect()) next_tick_ = Clock::now();
    }
    if (round_.stop) break;
    if (!session_.up()) {
      RefuseRest("the queue is down: " + session_.error());
      WaitForRetry();
    } else if (!session_.Run([this] { Turn(); })) {
      LoseSession();
    }
  }
  Finish();
}

void ProducerThread::Turn() {
  PutAll();
  mailbox_.Push(done_);
  if (Clock::now() >= next_tick_) {
    next_tick_ = After(Clock::now(), std::max(session_.driver().Tick(), kShortestTick));
  }
  Collect();
}

void ProducerThread::PutAll() {
  std::vector<std::string> ids;
  std::vector<std::string> why;
  while (answered_ < round_.jobs.size()) {
    const std::span<const Enqueue> all(round_.jobs);
    const auto batch = all.subspan(answered_, std::min(kBatch, all.size() - answered_));
    session_.driver().PutMany(batch, ids, why);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::uint64_t request = round_.requests[answered_];
      if (batch[i].foreground && !ids[i].empty()) Remember(request, ids[i]);
      done_.push_back(PutDone(request, std::move(ids[i]), std::move(why[i])));
      ++answered_;
    }
  }
}

void ProducerThread::Collect() {
  const Duration timeout = std::min(options_.dequeue_interval, Until(Clock::now(), next_tick_));
  if (waiting_.empty()) {
    if (mailbox_.StartWait()) (void)mailbox_.waker().Wait(-1, 0, timeout);
    return;
  }
  std::vector<Reply> replies;
  std::vector<ProgressNote> notes;
  const Duration limit = mailbox_.StartWait() ? timeout : Duration{0};
  session_.driver().Collect(replies, limit, mailbox_.waker());
  session_.driver().TakeProgress(notes);
  for (const ProgressNote& note : notes) {
    const auto found = waiting_.find(note.id);
    if (found == waiting_.end()) continue;
    for (const std::uint64_t request : found->second) {
      Producer::Done& done = done_.emplace_back();
      done.request = request;
      done.progress = note;
    }
  }
  for (const Reply& reply : replies) {
    // A reply that nobody waits for: forgotten, or answered already under the same unique key.
    const auto found = waiting_.extract(reply.id);
    if (found.empty()) continue;
    for (const std::uint64_t request : found.mapped()) {
      Producer::Done& done = done_.emplace_back();
      done.request = request;
      done.reply = reply;
    }
  }
  mailbox_.Push(done_);
}

void ProducerThread::Remember(std::uint64_t request, const std::string& id) {
  waiting_[id].push_back(request);
}

void ProducerThread::Drop(std::uint64_t request) {
  for (auto entry = waiting_.begin(); entry != waiting_.end(); ++entry) {
    std::vector<std::uint64_t>& requests = entry->second;
    const auto found = std::find(requests.begin(), requests.end(), request);
    if (found == requests.end()) continue;
    requests.erase(found);
    if (requests.empty()) waiting_.erase(entry);
    return;
  }
}

void ProducerThread::LoseSession() {
  RefuseRest("the queue was lost while the job was put, so it may or may not be there: " +
             session_.error());
  if (!caps_.Has(Cap::kHoldSurvives)) {
    for (const auto& [id, requests] : waiting_) {
      for (const std::uint64_t request : requests) {
        Producer::Done& done = done_.emplace_back();
        done.request = request;
        done.reply = Reply{id, Reply::State::kFailed, kReplyLost};
      }
    }
    waiting_.clear();
  }
  mailbox_.Push(done_);
}

void ProducerThread::RefuseRest(const std::string& why) {
  for (; answered_ < round_.requests.size(); ++answered_) {
    done_.push_back(PutDone(round_.requests[answered_], "", why));
  }
  mailbox_.Push(done_);
}

void ProducerThread::WaitForRetry() {
  if (!mailbox_.StartWait()) return;
  (void)mailbox_.waker().Wait(-1, 0, Until(Clock::now(), session_.retry_at()));
}

void ProducerThread::Finish() {
  if (session_.up()) (void)session_.Run([this] { PutAll(); });
  RefuseRest("workmand is stopping");
  mailbox_.Push(done_);
  session_.Disconnect();
}

}  // namespace workmand
