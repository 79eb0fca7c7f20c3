// Sending: new jobs, jobs that come back, replies.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>

#include "daemon/queue/drivers/amqp_queue.h"

namespace workmand::amqp {
namespace {

constexpr std::string_view kReplyQueue = "amq.rabbitmq.reply-to";
/// A short string of AMQP.
constexpr std::size_t kLongestTask = 255;
/// The server counts in 32 bits of ms, and a queue outlives its messages by kSpare.
constexpr Duration kLongestDelay{std::chrono::hours(24 * 45)};
/// A queue for a delay goes away when it was not declared for its delay and this time.
constexpr Duration kSpare{60'000};
constexpr Duration kDeclareAgain{20'000};

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// Up to the next of few enough values: each is a queue.
Duration RoundUp(Duration delay) {
  Duration step{100};
  if (delay > Duration{10'000}) step = Duration{1'000};
  if (delay > Duration{600'000}) step = Duration{10'000};
  if (delay > Duration{3'600'000}) step = Duration{60'000};
  return (delay + step - Duration{1}) / step * step;
}

}  // namespace

std::string AmqpQueue::NewId() {
  return id_stem_ + std::to_string(++last_id_);
}

std::string AmqpQueue::WhyNot(const Enqueue& job) const {
  if (job.task.empty()) return "a job must name its task";
  if (job.task.size() > kLongestTask) return "the name of the task is longer than 255 bytes";
  if (!job.unique.empty()) return "a queue of AMQP knows no unique keys";
  if (job.delay > kLongestDelay) return "the delay is longer than 45 days";
  if (job.payload.size() > GetCaps().max_payload) return "the payload is larger than 128 MiB";
  return dialect_->WhyNot(job);
}

std::string AmqpQueue::DelayQueue(const std::string& queue, Duration delay) {
  const Duration rounded = RoundUp(std::min(delay, kLongestDelay));
  std::string name = queue + ".delay." + std::to_string(rounded.count());
  TimePoint& declared = delay_queues_[name];
  if (declared == TimePoint{} || Clock::now() > After(declared, kDeclareAgain)) {
    std::vector<amqp_table_entry_t> arguments = {
        NumberEntry("x-message-ttl", rounded.count()),
        NumberEntry("x-expires", (rounded + kSpare).count()),
        TextEntry("x-dead-letter-exchange", ""), TextEntry("x-dead-letter-routing-key", queue)};
    link_.Declare(name, TableOf(arguments));
    declared = Clock::now();
  }
  return name;
}

std::string AmqpQueue::Destination(std::size_t queue, Duration delay) {
  const std::string& name = settings_.queues[queue];
  return delay > Duration{0} ? DelayQueue(name, delay) : name;
}

std::string AmqpQueue::Send(const Enqueue& job) {
  std::string id = NewId();
  Outgoing properties;
  const std::string_view body = dialect_->Write(job, id, properties);
  properties.SetTimestamp(static_cast<std::uint64_t>(NowMs() / 1000));
  if (job.max_attempts > 0) properties.Add(kMaxHeader, std::int64_t{job.max_attempts});
  if (job.foreground) {
    if (!listening_) link_.Consume(std::string(kReplyQueue), kReplyConsumer, true);
    listening_ = true;
    properties.SetReplyTo(kReplyQueue);
    properties.Add(kProgressHeader, std::int64_t{1});
    awaited_.insert(id);
  }
  link_.Publish(Destination(0, job.delay), properties, body, true);
  return id;
}

std::string AmqpQueue::Put(const Enqueue& job) {
  if (const std::string why = WhyNot(job); !why.empty()) throw Rejected(why);
  std::string id = Send(job);
  link_.AwaitConfirms();
  return id;
}

void AmqpQueue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                        std::vector<std::string>& why) {
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    why[i] = WhyNot(jobs[i]);
    if (why[i].empty()) ids[i] = Send(jobs[i]);
  }
  link_.AwaitConfirms();
}

void AmqpQueue::SendAgain(const Hold& hold, const Again& again) {
  Outgoing properties;
  properties.CopyFrom(hold.message.properties);
  properties.SetId(hold.id);
  properties.SetType(hold.task);
  const std::int64_t max = hold.message.properties.Number(kMaxHeader);
  if (max > 0) properties.Add(kMaxHeader, max);
  if (again.ends > 0) properties.Add(kEndsHeader, std::int64_t{again.ends});
  if (again.deliveries > 0) properties.Add(kDeliveriesHeader, std::int64_t{again.deliveries});
  if (hold.IsOurCaller()) properties.Add(kProgressHeader, std::int64_t{1});
  link_.Publish(Destination(hold.queue, again.delay), properties, hold.message.body, true);
}

void AmqpQueue::Bury(const Hold& hold, int ends, std::string_view error) {
  Outgoing properties;
  properties.CopyFrom(hold.message.properties);
  properties.SetId(hold.id);
  if (!hold.task.empty()) properties.SetType(hold.task);
  const std::int64_t max = hold.message.properties.Number(kMaxHeader);
  if (max > 0) properties.Add(kMaxHeader, max);
  properties.Add(kErrorHeader, error);
  properties.Add(kEndsHeader, std::int64_t{ends});
  properties.Add(kDeliveriesHeader, std::int64_t{hold.deliveries});
  properties.Add(kFailedAtHeader, NowMs());
  const Duration longest{std::numeric_limits<std::int32_t>::max()};
  const Duration kept = std::min(settings_.dead_letter_retention, longest);
  const std::string expiration = std::to_string(kept.count());
  if (kept > Duration{0}) properties.SetExpiration(expiration);
  link_.Publish(DeadQueueOf(settings_.queues[hold.queue]), properties, hold.message.body, true);
}

void AmqpQueue::TakeReply(const Message& message) {
  const std::string id(message.properties.correlation_id());
  const auto found = awaited_.find(id);
  if (found == awaited_.end()) return;
  const std::string_view type = message.properties.type();
  if (type == "progress" || type == "data") {
    ProgressNote note{id, Update::Kind::kData, message.body, 0, 0};
    if (type == "progress") {
      note.kind = Update::Kind::kProgress;
      note.numerator = message.properties.Real(kNumeratorHeader);
      note.denominator = message.properties.Real(kDenominatorHeader);
    }
    notes_.push_back(std::move(note));
    return;
  }
  Reply reply{id, type == "failed" ? Reply::State::kFailed : Reply::State::kDone, message.body};
  if (type.empty() && !dialect_->ReadReply(message, reply)) return;
  awaited_.erase(found);
  replies_.push_back(std::move(reply));
}

void AmqpQueue::Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) {
  const TimePoint until = After(Clock::now(), timeout);
  do {
    TakeMessages();
  } while (replies_.empty() && notes_.empty() && link_.Wait(until, &waker));
  std::move(replies_.begin(), replies_.end(), std::back_inserter(out));
  replies_.clear();
}

void AmqpQueue::TakeProgress(std::vector<ProgressNote>& out) {
  std::move(notes_.begin(), notes_.end(), std::back_inserter(out));
  notes_.clear();
}

}  // namespace workmand::amqp
