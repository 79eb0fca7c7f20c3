#include "daemon/queue/drivers/amqp_queue.h"

#include <algorithm>
#include <limits>
#include <random>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/element_text.h"

namespace workmand::amqp {
namespace {

/// The server's own default, too.
constexpr std::size_t kMaxPayload = std::size_t{128} << 20U;
/// How long a message stays away whose task is not served here.
constexpr Duration kElsewhere{2'000};
constexpr Duration kTick{10'000};
constexpr std::size_t kMostPrefetch = std::numeric_limits<std::uint16_t>::max();

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

Priority ToPriority(int number) {
  if (number >= kHighestPriority) return Priority::kHigh;
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

AmqpQueue::AmqpQueue(Settings settings, std::unique_ptr<Dialect> dialect)
    : settings_(std::move(settings)), dialect_(std::move(dialect)), id_stem_(RandomStem() + "-") {}

Caps AmqpQueue::GetCaps() const {
  Caps caps = AmqpCaps();
  if (!settings_.priorities) caps.bits &= ~static_cast<std::uint32_t>(Cap::kPriority);
  return caps;
}

void AmqpQueue::Forget() {
  ready_.clear();
  held_.clear();
  open_.clear();
  counted_.clear();
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
  dialect_->Connect();
  link_.Open(settings_);
  DeclareQueues();
}

void AmqpQueue::DeclareQueues() {
  std::vector<amqp_table_entry_t> kind;
  if (settings_.quorum) kind.push_back(TextEntry("x-queue-type", "quorum"));
  std::vector<amqp_table_entry_t> arguments = kind;
  if (settings_.priorities) arguments.push_back(NumberEntry("x-max-priority", kHighestPriority));
  for (const std::string& queue : settings_.queues) {
    // One that other programs made may have any arguments, and is taken as it is.
    if (!settings_.shared || !link_.Exists(queue)) link_.Declare(queue, TableOf(arguments));
    link_.Declare(DeadQueueOf(queue), TableOf(kind));
  }
}

void AmqpQueue::Disconnect() noexcept {
  link_.Close();
  dialect_->Disconnect();
  Forget();
}

void AmqpQueue::RegisterTasks(std::span<const Subscription> tasks) {
  tasks_.clear();
  warned_.clear();
  every_task_ = tasks.size() == 1 && tasks.front().task == "*";
  for (const Subscription& subscription : tasks) tasks_.insert(subscription.task);
}

std::size_t AmqpQueue::Room() const {
  return consuming_ ? prefetch_ - std::min(prefetch_, counted_.size()) : 0;
}

void AmqpQueue::Grant(std::size_t n) {
  const std::size_t before = SharesPrefetch() ? open_.size() : 0;
  n = std::min(n, kMostPrefetch - std::min(before, kMostPrefetch - 1));
  if (consuming_ && Room() == n) return;
  Withdraw();
  prefetch_ = before + n;
  if (channel_prefetch_ != prefetch_) {
    link_.SetPrefetch(static_cast<std::uint16_t>(prefetch_), SharesPrefetch());
    channel_prefetch_ = prefetch_;
  }
  counted_.clear();
  if (SharesPrefetch()) counted_ = open_;
  first_consumer_ += settings_.queues.size();
  for (std::size_t i = 0; i < settings_.queues.size(); ++i) {
    link_.Consume(settings_.queues[i], first_consumer_ + i, false);
  }
  consuming_ = true;
}

void AmqpQueue::Withdraw() {
  if (!consuming_) return;
  for (std::size_t i = 0; i < settings_.queues.size(); ++i) link_.Cancel(first_consumer_ + i);
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
    counted_.erase(tag);
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
  dialect_->Flush();
  link_.AwaitConfirms();
  Acknowledge(replaced_);
}

void AmqpQueue::Sort(Message message) {
  const Properties& properties = message.properties;
  const std::uint64_t tag = message.tag;
  open_.insert(tag);
  if (consuming_ && (SharesPrefetch() || message.consumer >= first_consumer_)) counted_.insert(tag);
  Hold hold;
  hold.queue = (message.consumer - kReplyConsumer - 1) % settings_.queues.size();
  hold.ends = static_cast<int>(properties.Number(kEndsHeader));
  const auto counted = properties.Number(kDeliveriesHeader) + properties.Number("x-delivery-count");
  hold.deliveries = static_cast<int>(counted) + 1;
  hold.message = std::move(message);
  dialect_->Read(hold);
  if (hold.id.empty()) hold.id = NewId();
  if (hold.task.empty() && tasks_.size() == 1 && !every_task_) hold.task = *tasks_.begin();
  if (hold.task.empty() && hold.broken.empty()) {
    hold.broken = "the message names no task: neither its type nor a header task";
  }
  if (hold.message.redelivered && !settings_.quorum && hold.broken.empty()) {
    // All that the server tells is that it was handed out before. Only a message of its own can
    // keep the count, and without one a job that takes its host down would do so for ever.
    SendAgain(hold, {hold.ends, hold.deliveries, hold.postpone});
  } else if (!hold.task.empty() && !every_task_ && tasks_.count(hold.task) == 0) {
    // Nor is it ours to say that it cannot be run.
    if (warned_.insert(hold.task).second) {
      log::Warn("task not served here",
                {{"queue", settings_.queues[hold.queue]}, {"task", hold.task}});
    }
    SendAgain(hold, {hold.ends, hold.deliveries - 1, std::max(kElsewhere, hold.postpone)});
  } else if (!hold.broken.empty()) {
    Refuse(hold);
  } else if (hold.postpone > Duration{0}) {
    SendAgain(hold, {hold.ends, hold.deliveries - 1, hold.postpone});
  } else {
    ready_.push_back(std::move(hold));
    return;
  }
  replaced_.push_back(tag);
}

void AmqpQueue::Refuse(const Hold& hold) {
  log::Warn("job cannot be read", {{"job", hold.id}, {"reason", hold.broken}});
  Update fail;
  fail.kind = Update::Kind::kFail;
  fail.bytes = R"({"message":)" + element::Quoted(hold.broken) + "}";
  if (!hold.over) Bury(hold, hold.ends, fail.bytes);
  dialect_->Tell(link_, hold, "failed", fail);
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
    job.payload = std::move(hold.payload);
    job.attempt = hold.ends + 1;
    job.deliveries = hold.deliveries;
    job.max_attempts = static_cast<int>(properties.Number(kMaxHeader));
    if (settings_.priorities) job.priority = ToPriority(properties.priority());
    job.wants_result = !properties.reply_to().empty();
    job.wants_progress = job.wants_result && hold.IsOurCaller();
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
