// The driver `zeromq`: what both ends share, and the callers' end. The workers' end is in
// zeromq_work.cc; docs/queues/zeromq.md tells other programs what they may send.
#include <algorithm>
#include <random>
#include <zmq.h>

#include "daemon/base/log.h"
#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/zeromq_queue.h"

namespace workmand::zeromq {
namespace {

/// So long may it take until a daemon is there that takes the job, and until it has taken it.
constexpr Duration kPatience{5'000};
/// A job counts as put when it is on its way to the network, so only a few may wait for that: of
/// more nobody could tell which ones a stop has cut off. Not one, which would cost a change of
/// threads each.
constexpr int kSendHighWater = 16;
/// Answers that came and are not looked at yet.
constexpr int kAnswers = 1'000;
constexpr Duration kTick{1'000};

Result<std::unique_ptr<Queue>> OpenZeromq(const DriverConfig& config, Role role) {
  Result<Settings> settings = ReadSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  if (role == Role::kConsumer) return std::make_unique<ZeromqWorkers>(std::move(*settings));
  return std::make_unique<ZeromqCallers>(std::move(*settings));
}

/// Of the driver before a profile has chosen; what `pull` cannot do an instance says.
Caps FullCaps() {
  return ZeromqCaps(true);
}

}  // namespace

Caps ZeromqCaps(bool router) {
  Caps caps;
  // Attempts are counted as long as the daemon lives; after it there is no job to count for.
  caps.bits = Cap::kWait | Cap::kAttempts | Cap::kRetryDelay | Cap::kAbortDelay | Cap::kOrdered |
              Cap::kUncountedAbort;
  caps.max_payload = kMaxFrame;
  caps.lost_if =
      "the daemon stops, crashes or is killed after it has received them, or their caller closes "
      "its "
      "socket while more than 64 of its jobs are unread: ZeroMQ keeps no jobs, and \"pull\" has no "
      "way "
      "to give one back or to tell its caller";
  if (router) {
    caps.bits |= static_cast<std::uint32_t>(Cap::kForeground);
    caps.lost_if =
        "the daemon crashes or is killed after it has received them, or their caller closes its "
        "socket while more than 64 of its jobs are unread: ZeroMQ keeps no jobs, and their callers "
        "get "
        "no answer (those of a daemon that stops get \"fail\")";
  }
  return caps;
}

std::string WhyRefused(const Enqueue& job, bool router) {
  if (job.task.empty()) return "a job needs the name of a task";
  if (job.foreground && !router) {
    return R"(nobody can wait for this job: "pull" has no way back ("router" has one))";
  }
  if (!job.unique.empty()) return "ZeroMQ has no unique keys";
  if (job.priority != Priority::kNormal) return "ZeroMQ has no priorities";
  if (job.delay != Duration{0}) return "ZeroMQ cannot delay a job";
  if (job.max_attempts != 0) {
    return "ZeroMQ cannot carry a job's own number of attempts (max_attempts of the profile holds)";
  }
  if (job.task.size() > kLongestTask) return "the name of the task is longer than 1000 bytes";
  if (job.payload.size() > kMaxFrame) return "the job is larger than 64 MiB";
  return {};
}

std::string MakeId() {
  static thread_local std::mt19937_64 random{
      (static_cast<std::uint64_t>(std::random_device{}()) << 32U) | std::random_device{}()};
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr unsigned kBits = 4;
  std::string id;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t number = random();
    for (unsigned i = 0; i < 64 / kBits; ++i, number >>= kBits) id += kDigits[number & 15U];
  }
  return id;
}

void ZeromqCallers::Disconnect() noexcept {
  if (socket_.open() && !socket_.Close(kPatience)) {
    log::Warn("jobs lost for good", {{"why", "the last jobs could not be sent within 5 s"}});
  }
  awaited_.clear();
  replies_.clear();
}

void ZeromqCallers::RegisterTasks(std::span<const Subscription> /*tasks*/) {}

void ZeromqCallers::Open() {
  SocketOptions options;
  options.type = settings_.router ? ZMQ_DEALER : ZMQ_PUSH;
  options.receive_high_water = kAnswers;
  options.send_high_water = kSendHighWater;
  options.bind = !settings_.worker_binds;
  options.watch_peers = true;
  options.endpoint = settings_.producer_endpoint;
  socket_.Open(options);
}

/// Throws Rejected when nobody has taken the job by `deadline`.
std::string ZeromqCallers::PutUntil(const Enqueue& job, TimePoint deadline) {
  const std::string why = WhyRefused(job, settings_.router);
  if (!why.empty()) throw Rejected(why);
  if (!socket_.open()) Open();
  ReadAnswers();
  std::string id = MakeId();
  const Frames frames = MakeJob(job, id);
  for (;;) {
    // Without a peer libzmq would keep the job and call it sent.
    const bool somebody = socket_.peers() > 0;
    if (somebody && socket_.Send(frames) == Sent::kYes) break;
    const Duration left = Until(Clock::now(), deadline);
    if (left == Duration{0}) {
      throw Rejected((somebody ? "no more jobs are taken at " : "nobody takes jobs at ") +
                     settings_.producer_endpoint + " (tried for " +
                     std::to_string(kPatience.count() / 1'000) + " s)");
    }
    socket_.WaitForRoom(left);
  }
  if (job.foreground) awaited_.push_back(id);
  return id;
}

std::string ZeromqCallers::Put(const Enqueue& job) {
  return PutUntil(job, After(Clock::now(), kPatience));
}

void ZeromqCallers::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                            std::vector<std::string>& why) {
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  // The patience is for standstill: each job that is taken renews it.
  TimePoint deadline = After(Clock::now(), kPatience);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    try {
      ids[i] = PutUntil(jobs[i], deadline);
      deadline = After(Clock::now(), kPatience);
    } catch (const Rejected& refusal) {
      why[i] = refusal.what();
    }
  }
}

/// Also those that nobody waits for: unread, they would keep the others from coming.
void ZeromqCallers::ReadAnswers() {
  if (!settings_.router || !socket_.open()) return;
  Frames frames;
  while (socket_.Receive(frames)) {
    std::optional<Reply> reply = ReadAnswer(frames);
    if (!reply || awaited_.empty()) continue;
    // Workers of another program may not know of ids; they answer in order, as REP does.
    auto found = awaited_.begin();
    if (reply->id.empty()) {
      reply->id = *found;
    } else {
      found = std::find(awaited_.begin(), awaited_.end(), reply->id);
    }
    if (found == awaited_.end()) continue;
    awaited_.erase(found);
    replies_.push_back(std::move(*reply));
  }
}

void ZeromqCallers::Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) {
  const TimePoint deadline = After(Clock::now(), timeout);
  for (bool last = false;;) {
    // Asked first: answers that came before the end of the connection are then all here.
    const bool disconnected = socket_.open() && socket_.TakeDisconnect();
    ReadAnswers();
    if (!replies_.empty()) {
      std::move(replies_.begin(), replies_.end(), std::back_inserter(out));
      replies_.clear();
      return;
    }
    if (disconnected && !awaited_.empty()) {
      throw ConnectionLost("the daemon at " + settings_.producer_endpoint +
                           " has gone, perhaps with the job");
    }
    if (last) return;
    const Duration left = Until(Clock::now(), deadline);
    if (awaited_.empty()) {
      (void)waker.Wait(-1, 0, left);
      return;
    }
    if (left > Duration{0}) socket_.WaitForMessage(left, waker);
    last = Clock::now() >= deadline || waker.Wait(-1, 0, Duration{0}) == Waker::Why::kWoken;
  }
}

void ZeromqCallers::Dequeue(std::vector<Job>& /*out*/, std::size_t /*n*/, Duration /*timeout*/,
                            const Waker& /*waker*/) {
  throw Rejected("this end of ZeroMQ gives jobs, it takes none");
}

void ZeromqCallers::Apply(std::span<const Update> /*updates*/, std::span<Applied> answers) {
  std::fill(answers.begin(), answers.end(), Applied::kLost);
}

Duration ZeromqCallers::Tick() {
  ReadAnswers();
  return kTick;
}

}  // namespace workmand::zeromq

WORKMAN_QUEUE_DRIVER("zeromq", workmand::zeromq::FullCaps, workmand::zeromq::CheckZeromqOptions,
                     workmand::zeromq::OpenZeromq)
