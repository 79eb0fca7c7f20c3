// The workers' end: how jobs come in, end, and are lost.
#include <algorithm>
#include <iterator>
#include <zmq.h>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/zeromq_queue.h"

namespace workmand::zeromq {
namespace {

/// Beside the network's buffers so many jobs of a connection are here before a worker is free for
/// them. Few, because they are lost with the daemon; fewer would cost more than they save, because
/// libzmq stops and starts every half of it (16: a quarter of the pace).
constexpr int kReceiveHighWater = 64;
/// Answers to one caller that does not read them.
constexpr int kAnswers = 1'000;
/// So long does a job wait for a worker that serves its task.
constexpr Duration kUnserved{10'000};
/// So many jobs may wait for such a worker. The next one is given up at once.
constexpr std::size_t kMostKept = 1'000;
constexpr Duration kTick{1'000};
/// The last answers have so long to go out.
constexpr Duration kLinger{1'000};
/// At the end callers whose jobs lie unread are told for so long.
constexpr Duration kFarewell{500};
/// When nothing comes for so long, that was all.
constexpr Duration kNextOne{50};
constexpr std::string_view kElsewhere =
    "the daemon stops before a worker was free for the job; try again, or elsewhere";

}  // namespace

void ZeromqWorkers::Connect() {
  Disconnect();
  SocketOptions options;
  options.type = settings_.router ? ZMQ_ROUTER : ZMQ_PULL;
  options.receive_high_water = kReceiveHighWater;
  options.send_high_water = kAnswers;
  options.bind = settings_.worker_binds;
  options.endpoint = settings_.worker_endpoint;
  socket_.Open(options);
}

void ZeromqWorkers::Disconnect() noexcept {
  if (!socket_.open()) return;
  try {
    ReadTheRest();
    for (const Held& held : kept_) Lose(held, kElsewhere);
    for (const auto& [token, held] : holds_) Lose(held, "the daemon stopped before it had ended");
    if (lost_ > 0) log::Warn("jobs lost for good", {{"count", lost_}});
  } catch (const std::exception& error) {
    log::Warn("jobs lost for good", {{"why", error.what()}});
  }
  kept_.clear();
  holds_.clear();
  lost_ = 0;
  (void)socket_.Close(kLinger);
}

/// What nobody has read yet. A caller gets an answer as long as there is time; the others have none
/// to get, and reading on would only take more jobs out of the hands of their senders. The endpoint
/// stays bound meanwhile: to unbind it would also end the connections that it has let in.
void ZeromqWorkers::ReadTheRest() {
  const Waker nobody;
  const TimePoint deadline = After(Clock::now(), kFarewell);
  Frames frames;
  for (int i = 0; Clock::now() < deadline && (settings_.router || i < kReceiveHighWater); ++i) {
    // Only when there was room again does libzmq read on.
    if (!socket_.Receive(frames)) {
      socket_.WaitForMessage(kNextOne, nobody);
      if (!socket_.Receive(frames)) return;
    }
    Held held;
    if (ReadHeld(frames, held)) Lose(held, kElsewhere);
  }
}

void ZeromqWorkers::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  for (const Subscription& entry : tasks) tasks_.insert(entry.task);
  every_task_ = tasks_.contains("*");
}

bool ZeromqWorkers::Serves(const std::string& task) const {
  return every_task_ || tasks_.contains(task);
}

/// False for what is no job; its sender is told where there is a way.
bool ZeromqWorkers::ReadHeld(Frames& frames, Held& held) {
  if (settings_.router) TakeEnvelope(frames, held.route.envelope);
  const std::string why = ReadJob(frames, held.job);
  if (!why.empty()) {
    // Anybody may send anything: the first few tell what is wrong, and the log does not drown.
    ++no_jobs_;
    if ((no_jobs_ & (no_jobs_ - 1)) == 0) {
      log::Warn("message refused", {{"why", why}, {"count", no_jobs_}});
    }
    Answer(held.route, false, MakeError("this is no job: " + why));
    return false;
  }
  held.route.id = held.job.id;
  if (held.job.id.empty()) held.job.id = MakeId();
  held.job.wants_result = settings_.router;
  held.job.drops_result = !settings_.router;
  held.give_up = After(Clock::now(), kUnserved);
  return true;
}

void ZeromqWorkers::HandOut(Held held, std::vector<Job>& out) {
  held.job.token = Token{++last_token_};
  out.push_back(held.job);
  holds_.emplace(held.job.token, std::move(held));
}

void ZeromqWorkers::HandOutKept(std::vector<Job>& out, std::size_t n) {
  if (kept_.empty()) return;
  const TimePoint now = Clock::now();
  for (auto it = kept_.begin(); it != kept_.end() && out.size() < n;) {
    const auto here = it++;
    if (here->due > now || !Serves(here->job.task)) continue;
    HandOut(std::move(*here), out);
    kept_.erase(here);
  }
}

void ZeromqWorkers::Fetch(std::vector<Job>& out, std::size_t n) {
  Frames frames;
  while (out.size() < n && socket_.Receive(frames)) {
    Held held;
    if (!ReadHeld(frames, held)) continue;
    if (Serves(held.job.task)) {
      HandOut(std::move(held), out);
    } else if (kept_.size() < kMostKept) {
      kept_.push_back(std::move(held));
    } else {
      Lose(held, "too many jobs wait for a worker that serves their task");
    }
  }
}

TimePoint ZeromqWorkers::NextDue() const {
  TimePoint next = kNever;
  for (const Held& held : kept_) {
    if (Serves(held.job.task)) next = std::min(next, held.due);
  }
  return next;
}

void ZeromqWorkers::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                            const Waker& waker) {
  if (!socket_.open()) throw ConnectionLost("zeromq: not connected");
  if (n == 0) return;
  const TimePoint deadline = After(Clock::now(), timeout);
  for (bool last = false;;) {
    HandOutKept(out, n);
    Fetch(out, n);
    if (!out.empty() || last) return;
    const Duration left = Until(Clock::now(), std::min(deadline, NextDue()));
    if (left > Duration{0}) socket_.WaitForMessage(left, waker);
    // The waker stays set until the pump takes it. What came with it is looked at once more.
    last = Clock::now() >= deadline || waker.Wait(-1, 0, Duration{0}) == Waker::Why::kWoken;
  }
}

Duration ZeromqWorkers::Tick() {
  GiveUpUnserved();
  return kTick;
}

void ZeromqWorkers::GiveUpUnserved() {
  const TimePoint now = Clock::now();
  for (auto it = kept_.begin(); it != kept_.end();) {
    const auto here = it++;
    if (here->give_up > now || Serves(here->job.task)) continue;
    Lose(*here, "no worker serves its task");
    kept_.erase(here);
  }
}

void ZeromqWorkers::Answer(const Route& route, bool done, std::string_view bytes) {
  if (route.envelope.empty()) return;
  const Sent sent = socket_.Send(MakeAnswer(route, done, bytes));
  if (sent == Sent::kYes) return;
  log::Warn("answer dropped",
            {{"job", route.id},
             {"why", sent == Sent::kNobody ? "its caller has gone" : "its caller reads none"}});
}

/// The caller is told, where there is one; else the log is all that knows.
void ZeromqWorkers::Lose(const Held& held, std::string_view why) {
  if (!held.route.envelope.empty()) {
    Answer(held.route, false, MakeError(why));
    return;
  }
  ++lost_;
  log::Warn("job lost for good", {{"job", held.job.id}, {"task", held.job.task}, {"why", why}});
}

void ZeromqWorkers::Keep(Held held, Duration delay) {
  const TimePoint now = Clock::now();
  held.due = delay == Duration{0} ? TimePoint{} : After(now, delay);
  held.give_up = After(After(now, delay), kUnserved);
  kept_.push_back(std::move(held));
}

/// Nobody else can take them: the endpoint leads back here, or to those who send jobs.
std::string ZeromqWorkers::Put(const Enqueue& job) {
  std::string why = WhyRefused(job, settings_.router);
  if (why.empty() && job.foreground) why = "a worker's own jobs have no caller that could wait";
  if (!why.empty()) throw Rejected(why);
  Held held;
  held.job.id = MakeId();
  held.job.task = job.task;
  held.job.payload = job.payload;
  held.job.drops_result = true;
  std::string id = held.job.id;
  Keep(std::move(held), Duration{0});
  return id;
}

bool ZeromqWorkers::PutFollowUps(const std::vector<Enqueue>& jobs) {
  for (const Enqueue& job : jobs) {
    if (!WhyRefused(job, settings_.router).empty() || job.foreground) return false;
  }
  for (const Enqueue& job : jobs) (void)Put(job);
  return true;
}

void ZeromqWorkers::Settle(const Update& update, Held held) {
  const bool back = update.kind == Update::Kind::kAbort || update.retry;
  if (!back || update.kind == Update::Kind::kDone) {
    Answer(held.route, update.kind == Update::Kind::kDone, update.bytes);
    return;
  }
  if (update.kind == Update::Kind::kFail) ++held.job.attempt;
  if (!update.never_ran) ++held.job.deliveries;
  Keep(std::move(held), update.delay);
}

void ZeromqWorkers::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& update = updates[i];
    answers[i] = Applied::kUnsupported;
    if (!IsSettlement(update.kind)) continue;
    const auto found = holds_.find(update.token);
    answers[i] = Applied::kLost;
    if (found == holds_.end()) continue;
    answers[i] = Applied::kRefused;
    if (!PutFollowUps(update.enqueue)) continue;
    Held held = std::move(found->second);
    holds_.erase(found);
    Settle(update, std::move(held));
    answers[i] = Applied::kOk;
  }
}

}  // namespace workmand::zeromq
