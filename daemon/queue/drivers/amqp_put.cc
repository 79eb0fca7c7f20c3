// Sending: new jobs, jobs that come back, replies.
#include <algorithm>
#include <array>
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

amqp_table_entry_t Entry(std::string_view key, std::string_view text) {
  amqp_table_entry_t entry{};
  entry.key = Bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = Bytes(text);
  return entry;
}

amqp_table_entry_t Entry(std::string_view key, Duration ms) {
  amqp_table_entry_t entry{};
  entry.key = Bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_I64;
  entry.value.value.i64 = ms.count();
  return entry;
}

}  // namespace

std::string AmqpQueue::NewId() {
  return id_stem_ + std::to_string(++last_id_);
}

std::string AmqpQueue::WhyNot(const Enqueue& job) const {
  if (job.task.empty()) return "a job must name its task";
  if (job.task.size() > kLongestTask) return "the name of the task is longer than 255 bytes";
  if (!job.unique.empty()) return "a queue of AMQP knows no unique keys";
  if (settings_.quorum && job.priority != Priority::kNormal) {
    return "a quorum queue knows no priorities";
  }
  if (job.delay > kLongestDelay) return "the delay is longer than 45 days";
  if (job.payload.size() > GetCaps().max_payload) return "the payload is larger than 128 MiB";
  return {};
}

std::string AmqpQueue::DelayQueue(Duration delay) {
  const Duration rounded = RoundUp(delay);
  std::string name = settings_.queue + ".delay." + std::to_string(rounded.count());
  TimePoint& declared = delay_queues_[name];
  if (declared == TimePoint{} || Clock::now() > After(declared, kDeclareAgain)) {
    std::array<amqp_table_entry_t, 4> arguments = {
        Entry("x-message-ttl", rounded), Entry("x-expires", rounded + kSpare),
        Entry("x-dead-letter-exchange", ""), Entry("x-dead-letter-routing-key", settings_.queue)};
    link_.Declare(name, {static_cast<int>(arguments.size()), arguments.data()});
    declared = Clock::now();
  }
  return name;
}

std::string AmqpQueue::Send(const Enqueue& job) {
  std::string id = NewId();
  Outgoing properties;
  properties.SetId(id);
  properties.SetType(job.task);
  properties.SetTimestamp(static_cast<std::uint64_t>(NowMs() / 1000));
  if (!settings_.quorum) properties.SetPriority(static_cast<std::uint8_t>(job.priority));
  if (job.max_attempts > 0) properties.Add(kMaxHeader, std::int64_t{job.max_attempts});
  if (job.foreground) {
    if (!listening_) link_.Consume(std::string(kReplyQueue), kReplyConsumer, true);
    listening_ = true;
    properties.SetReplyTo(kReplyQueue);
    properties.SetCorrelationId(id);
    properties.Add(kProgressHeader, std::int64_t{1});
    awaited_.insert(id);
  }
  const std::string queue = job.delay > Duration{0} ? DelayQueue(job.delay) : settings_.queue;
  link_.Publish(queue, properties, job.payload, true);
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
  if (hold.message.properties.Number(kProgressHeader) != 0) {
    properties.Add(kProgressHeader, std::int64_t{1});
  }
  const std::string queue = again.delay > Duration{0} ? DelayQueue(again.delay) : settings_.queue;
  link_.Publish(queue, properties, hold.message.body, true);
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
  link_.Publish(DeadQueue(), properties, hold.message.body, true);
}

void AmqpQueue::Answer(const Hold& hold, std::string_view type, const Update& update) {
  const Properties& question = hold.message.properties;
  if (question.reply_to().empty()) return;
  Outgoing properties;
  properties.SetType(type);
  properties.SetId(hold.id);
  properties.SetCorrelationId(question.correlation_id().empty() ? std::string_view(hold.id)
                                                                : question.correlation_id());
  if (update.kind == Update::Kind::kProgress) {
    properties.Add(kNumeratorHeader, update.numerator);
    properties.Add(kDenominatorHeader, update.denominator);
  }
  // The caller may be gone: then there is nowhere for it to go.
  link_.Publish(question.reply_to(), properties, update.bytes, false);
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
  awaited_.erase(found);
  const auto state = type == "failed" ? Reply::State::kFailed : Reply::State::kDone;
  replies_.push_back({id, state, message.body});
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
