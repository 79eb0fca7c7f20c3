#include "daemon/queue/drivers/amqp_queue.h"

#include <algorithm>
#include <limits>
#include <random>

#include "daemon/base/log.h"

namespace workmand::amqp {
namespace {

/// The server's own default, too.
constexpr std::size_t kMaxPayload = std::size_t{128} << 20U;
/// 0, as a message without a priority has, 1 and 2.
constexpr std::uint8_t kHighest = 2;
/// How long a message stays away whose task is not served here.
constexpr Duration kElsewhere{2'000};
constexpr Duration kTick{10'000};
constexpr std::size_t kMostPrefetch = std::numeric_limits<std::uint16_t>::max();

amqp_table_entry_t Entry(std::string_view key, std::string_view text) {
  amqp_table_entry_t entry{};
  entry.key = Bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = Bytes(text);
  return entry;
}

std::string RandomStem() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string stem;
  for (int word = 0; word < 2; ++word) {
    std::uint32_t bits = random();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4U) stem += kDigits[bits & 15U];
  }
  return stem;
}

/// The task of a message: `type`, or a header for clients that cannot set it.
std::string_view TaskOf(const Properties& properties) {
  const std::string_view type = properties.type();
  return type.empty() ? properties.Text("task") : type;
}

Priority ToPriority(int number) {
  if (number >= kHighest) return Priority::kHigh;
  return number == 0 ? Priority::kLow : Priority::kNormal;
}

}  // namespace

Caps AmqpCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kForeground | Cap::kPriority | Cap::kDelay | Cap::kAttempts |
              Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay | Cap::kProgress |
              Cap::kPartialData | Cap::kDurable | Cap::kDeadLetter | Cap::kInstantRequeue |
              Cap::kOrdered | Cap::kAtLeastOnce | Cap::kUncountedAbort;
  caps.max_payload = kMaxPayload;
  return caps;
}

AmqpQueue::AmqpQueue(Settings settings)
    : settings_(std::move(settings)), id_stem_(RandomStem() + "-") {}

Caps AmqpQueue::GetCaps() const {
  Caps caps = AmqpCaps();
  // Quorum queues know no priorities.
  if (settings_.quorum) caps.bits &= ~static_cast<std::uint32_t>(Cap::kPriority);
  return caps;
}

void AmqpQueue::Forget() {
  ready_.clear();
  held_.clear();
  open_.clear();
  its_open_.clear();
  replaced_.clear();
  delay_queues_.clear();
  awaited_.clear();
  replies_.clear();
  notes_.clear();
  consuming_ = false;
  channel_prefetch_ = 0;
  will_dequeue_ = 0;
  listening_ = false;
}

void AmqpQueue::Connect() {
  Forget();
  link_.Open(settings_);
  DeclareQueues();
}

void AmqpQueue::DeclareQueues() {
  amqp_table_entry_t priorities{};
  priorities.key = Bytes("x-max-priority");
  priorities.value.kind = AMQP_FIELD_KIND_U8;
  priorities.value.value.u8 = kHighest;
  amqp_table_entry_t type = Entry("x-queue-type", "quorum");
  link_.Declare(settings_.queue, {1, settings_.quorum ? &type : &priorities});
  link_.Declare(DeadQueue(), {settings_.quorum ? 1 : 0, &type});
}

void AmqpQueue::Disconnect() noexcept {
  link_.Close();
  Forget();
}

void AmqpQueue::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  warned_.clear();
  every_task_ = tasks.size() == 1 && tasks.front().task == "*";
  for (const Subscription& subscription : tasks) tasks_.insert(subscription.task);
}

std::size_t AmqpQueue::Room() const {
  return consuming_ ? prefetch_ - std::min(prefetch_, its_open_.size()) : 0;
}

void AmqpQueue::Grant(std::size_t n) {
  n = std::min(n, kMostPrefetch);
  if (consuming_ && Room() == n) return;
  Withdraw();
  if (channel_prefetch_ != n) link_.SetPrefetch(static_cast<std::uint16_t>(n));
  channel_prefetch_ = prefetch_ = n;
  its_open_.clear();
  link_.Consume(settings_.queue, ++consumer_, false);
  consuming_ = true;
}

void AmqpQueue::Withdraw() {
  if (!consuming_) return;
  link_.Cancel(consumer_);
  consuming_ = false;
}

void AmqpQueue::Acknowledge(std::vector<std::uint64_t>& tags) {
  std::sort(tags.begin(), tags.end());
  // The oldest that are open go with one frame.
  std::uint64_t prefix = 0;
  std::size_t i = 0;
  for (auto oldest = open_.begin(); i < tags.size() && *oldest == tags[i]; ++i, ++oldest) {
    prefix = tags[i];
  }
  if (prefix != 0) link_.Ack(prefix, true);
  for (; i < tags.size(); ++i) link_.Ack(tags[i], false);
  for (const std::uint64_t tag : tags) {
    open_.erase(tag);
    its_open_.erase(tag);
  }
  tags.clear();
}

void AmqpQueue::TakeMessages() {
  link_.Read();
  while (!link_.messages().empty()) {
    Message message = std::move(link_.messages().front());
    link_.messages().pop_front();
    if (message.consumer == kReplyConsumer) {
      TakeReply(message);
    } else {
      Sort(std::move(message));
    }
  }
  if (replaced_.empty()) return;
  link_.AwaitConfirms();
  Acknowledge(replaced_);
}

void AmqpQueue::Sort(Message message) {
  const Properties& properties = message.properties;
  const std::uint64_t tag = message.tag;
  open_.insert(tag);
  if (consuming_ && message.consumer == consumer_) its_open_.insert(tag);
  Hold hold;
  hold.id = properties.id().empty() ? NewId() : std::string(properties.id());
  hold.task = TaskOf(properties);
  if (hold.task.empty() && tasks_.size() == 1 && !every_task_) hold.task = *tasks_.begin();
  hold.ends = static_cast<int>(properties.Number(kEndsHeader));
  const auto counted = properties.Number(kDeliveriesHeader) + properties.Number("x-delivery-count");
  hold.deliveries = static_cast<int>(counted) + 1;
  hold.message = std::move(message);
  if (hold.task.empty()) {
    Bury(hold, hold.ends,
         R"({"message":"the message names no task: neither its type nor a header task"})");
  } else if (hold.message.redelivered && !settings_.quorum) {
    // All that the server tells is that it was handed out before. Only a message of its own can
    // keep the count, and without one a job that takes its host down would do so for ever.
    SendAgain(hold, {hold.ends, hold.deliveries, Duration{0}});
  } else if (!every_task_ && tasks_.count(hold.task) == 0) {
    if (warned_.insert(hold.task).second) {
      log::Warn("task not served here", {{"queue", settings_.queue}, {"task", hold.task}});
    }
    SendAgain(hold, {hold.ends, hold.deliveries - 1, kElsewhere});
  } else {
    ready_.push_back(std::move(hold));
    return;
  }
  replaced_.push_back(tag);
}

bool AmqpQueue::HandOut(std::vector<Job>& out, std::size_t n) {
  std::size_t given = 0;
  for (; given < n && !ready_.empty(); ++given) {
    Hold hold = std::move(ready_.front());
    ready_.pop_front();
    const Properties& properties = hold.message.properties;
    Job job;
    job.token = Token{++last_token_};
    job.id = hold.id;
    job.task = hold.task;
    job.payload = hold.message.body;
    job.attempt = hold.ends + 1;
    job.deliveries = hold.deliveries;
    job.max_attempts = static_cast<int>(properties.Number(kMaxHeader));
    job.priority = ToPriority(properties.priority());
    job.wants_result = !properties.reply_to().empty();
    job.wants_progress = job.wants_result && properties.Number(kProgressHeader) != 0;
    job.enqueued_at_ms = properties.timestamp() * 1000;
    out.push_back(std::move(job));
    held_.emplace(last_token_, std::move(hold));
  }
  return given > 0;
}

void AmqpQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                        const Waker& waker) {
  const TimePoint until = After(Clock::now(), timeout);
  if (n == 0) return Withdraw();
  for (;;) {
    TakeMessages();
    if (HandOut(out, n)) return;
    Grant(n);
    if (link_.Wait(until, &waker)) continue;
    // Nobody may ask for more for a while: then it is for others. With no time to wait the server
    // has had none to answer; the next call is near.
    if (timeout > Duration{0}) Withdraw();
    return;
  }
}

Duration AmqpQueue::Tick() {
  TakeMessages();
  return kTick;
}

}  // namespace workmand::amqp
