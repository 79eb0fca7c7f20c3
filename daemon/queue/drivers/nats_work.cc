// The driver `nats`: how jobs come, and how they end.
#include <algorithm>
#include <charconv>
#include <utility>

#include "daemon/queue/drivers/nats_names.h"
#include "daemon/queue/drivers/nats_queue.h"

namespace workmand::nats {
namespace {

/// So long the server keeps a request for jobs. Short: it cannot be taken back, and what comes for
/// it when nobody asks any more has to be given back.
constexpr Duration kPullTime{5'000};
/// What came and was not asked for goes back after so long.
constexpr Duration kIdle{1'000};
constexpr std::int64_t kNanoseconds = 1'000'000;

/// The server began to count before the job was here, so ours ends a little earlier.
TimePoint EndOf(Duration lease) {
  return After(Clock::now(), lease - std::min(lease / 20, Duration{1'000}));
}

}  // namespace

void NatsQueue::Disconnect() noexcept {
  // What waits survives a lost connection, as do holds. An end on purpose gives it back.
  try {
    while (auto mail = link_.TakeLeft()) Take(std::move(*mail));
    if (link_.open()) GiveBackWaiting();
  } catch (const ConnectionLost&) {
    // Then it comes back when its lease is over.
  }
  link_.Close();
  acknowledged_.clear();
  made_ = false;
  for (auto& [name, lane] : lanes_) lane.wanted = 0;
}

void NatsQueue::RegisterTasks(std::span<const Subscription> tasks) {
  std::map<std::string, Lane> lanes;
  for (const Subscription& entry : tasks) {
    if (entry.task == "*") throw Rejected("nats cannot serve \"*\": it needs names of tasks");
    const std::string name = ConsumerOfTask(entry.task);
    const auto old = lanes_.find(name);
    Lane lane;
    lane.task = entry.task;
    lanes.emplace(name, old == lanes_.end() ? std::move(lane) : old->second);
  }
  lanes_ = std::move(lanes);
  made_ = false;
}

/// Asks for jobs where too few are asked for. The server keeps the requests that it cannot serve.
void NatsQueue::Pull(std::size_t n) {
  if (!made_) {
    for (auto& [name, lane] : lanes_) MakeConsumer(lane, name);
    made_ = true;
  }
  const TimePoint now = Clock::now();
  const std::size_t share = std::max<std::size_t>(n / std::max<std::size_t>(lanes_.size(), 1), 1);
  for (auto& [name, lane] : lanes_) {
    if (now >= lane.until) lane.wanted = 0;
    if (lane.wanted > 0) continue;
    lane.pull = ++last_pull_;
    lane.wanted = share;
    lane.until = After(now, kPullTime);
    const std::string request = "{\"batch\":" + std::to_string(share) +
                                ",\"expires\":" + std::to_string(kPullTime.count() * kNanoseconds) +
                                "}";
    link_.Publish("$JS.API.CONSUMER.MSG.NEXT." + settings_.stream + "." + name,
                  link_.Inbox("p" + std::to_string(lane.pull)), request);
  }
}

void NatsQueue::Take(Mail mail) {
  const std::string word = mail.subject.substr(mail.subject.rfind('.') + 1);
  const auto delivery = ReadDelivery(mail.reply);
  if (!delivery) {
    if (const auto found = acknowledged_.find(word); found != acknowledged_.end()) {
      found->second = mail.status == 0 ? Answer::kGood : Answer::kNobody;
      return;
    }
    for (auto& [name, lane] : lanes_) {
      if (word == "p" + std::to_string(lane.pull)) lane.wanted = 0;  // It is over.
    }
    return;
  }
  const auto lane = lanes_.find(delivery->consumer);
  if (lane == lanes_.end()) {  // Asked for before the task was taken off.
    link_.Publish(mail.reply, "", "-NAK");
    return;
  }
  if (lane->second.wanted > 0) --lane->second.wanted;
  Waiting one;
  one.job.id = delivery->id;
  one.job.task = lane->second.task;
  one.job.payload = std::move(mail.bytes);
  one.job.enqueued_at_ms = delivery->put_at_ms;
  one.hold.reply = std::move(mail.reply);
  one.hold.lease = lane->second.lease;
  one.hold.until = EndOf(one.hold.lease);
  if (one.hold.lease < settings_.lease) one.hold.touch_at = After(Clock::now(), one.hold.lease / 3);
  waiting_.push_back(std::move(one));
}

bool NatsQueue::HandOut(std::vector<Job>& out, std::size_t n) {
  const TimePoint now = Clock::now();
  bool any = false;
  for (; n > 0 && !waiting_.empty(); waiting_.pop_front()) {
    Waiting& one = waiting_.front();
    if (one.hold.until <= now) continue;
    one.job.token = Token{++last_token_};
    next_touch_ = std::min(next_touch_, one.hold.touch_at);
    holds_.emplace(one.job.token, std::move(one.hold));
    out.push_back(std::move(one.job));
    any = true;
    --n;
  }
  return any;
}

void NatsQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                        const Waker& waker) {
  if (n == 0) return;
  if (!link_.open()) throw ConnectionLost("nats: not connected");
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    asked_at_ = Clock::now();
    if (asked_at_ >= next_touch_) Touch();
    if (HandOut(out, n)) return;
    Pull(n);
    const TimePoint until = std::min({deadline, next_touch_, After(asked_at_, kPullTime)});
    auto mail = link_.AwaitUntil(until, &waker);
    if (mail) {
      // What came with it is taken along.
      for (; mail; mail = link_.AwaitUntil({}, nullptr)) Take(std::move(*mail));
      continue;
    }
    const TimePoint now = Clock::now();
    // A wake ended the wait before its time, or the deadline did.
    if (now < until || now >= deadline) return;
  }
}

std::string NatsQueue::Word(const Update& update) {
  switch (update.kind) {
    case Update::Kind::kDone: return "+ACK";
    case Update::Kind::kExtend: return "+WPI";
    case Update::Kind::kFail:
      if (!update.retry) return "+TERM";
      break;
    case Update::Kind::kAbort: break;
    case Update::Kind::kProgress:
    case Update::Kind::kData: return {};
  }
  if (update.delay <= Duration{0}) return "-NAK";
  return "-NAK {\"delay\":" + std::to_string(update.delay.count() * kNanoseconds) + "}";
}

bool NatsQueue::PutFollowUps(const Update& update) {
  try {
    for (const Enqueue& job : update.enqueue) (void)Put(job);
  } catch (const Rejected&) {
    return false;
  }
  return true;
}

void NatsQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  if (!link_.open()) throw ConnectionLost("nats: not connected");
  std::vector<std::pair<std::size_t, std::string>> sent;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& update = updates[i];
    const std::string word = Word(update);
    answers[i] = Applied::kUnsupported;
    if (word.empty()) continue;
    const auto found = holds_.find(update.token);
    answers[i] = Applied::kLost;
    if (found == holds_.end()) continue;
    Hold& hold = found->second;
    if (hold.until <= Clock::now()) {
      holds_.erase(found);
      continue;
    }
    if (!update.enqueue.empty() && !PutFollowUps(update)) {
      answers[i] = Applied::kRefused;
      continue;
    }
    std::string name = "a" + std::to_string(++last_ack_);
    link_.Publish(hold.reply, link_.Inbox(name), word);
    acknowledged_.emplace(name, Answer::kNone);
    sent.emplace_back(i, std::move(name));
    if (update.kind == Update::Kind::kExtend) {
      hold.until = EndOf(hold.lease);
    } else {
      holds_.erase(found);
    }
  }
  const TimePoint deadline = After(Clock::now(), kPatience);
  // Answers come in the order of the settlements, but for what has no receiver any more.
  for (const auto& [i, name] : sent) {
    answers[i] = AwaitAnswer(name, deadline) ? Applied::kOk : Applied::kLost;
  }
}

bool NatsQueue::AwaitAnswer(const std::string& name, TimePoint deadline) {
  for (;;) {
    if (const auto found = acknowledged_.find(name); found->second != Answer::kNone) {
      const bool good = found->second == Answer::kGood;
      acknowledged_.erase(found);
      return good;
    }
    auto mail = link_.AwaitUntil(deadline, nullptr);
    if (!mail) link_.Lose("no answer within 5 s");
    Take(std::move(*mail));
  }
}

void NatsQueue::GiveBackWaiting() {
  for (const Waiting& one : waiting_) link_.Publish(one.hold.reply, "", "-NAK");
  waiting_.clear();
}

/// Renews holds where the consumer's lease is shorter than the one that the pump knows of.
void NatsQueue::Touch() {
  const TimePoint now = Clock::now();
  next_touch_ = kNever;
  for (auto& [token, hold] : holds_) {
    if (hold.touch_at <= now && hold.until > now) {
      link_.Publish(hold.reply, "", "+WPI");
      hold.until = EndOf(hold.lease);
      hold.touch_at = After(now, hold.lease / 3);
    }
    if (hold.until > now) next_touch_ = std::min(next_touch_, hold.touch_at);
  }
}

Duration NatsQueue::Tick() {
  if (!link_.open()) return kIdle;
  const TimePoint now = Clock::now();
  if (now >= next_touch_) Touch();
  if (now >= After(asked_at_, kIdle)) {
    // Nobody asks: others may want what comes to us now.
    while (auto mail = link_.AwaitUntil({}, nullptr)) Take(std::move(*mail));
    GiveBackWaiting();
  }
  return std::min(Until(Clock::now(), next_touch_), kIdle);
}

}  // namespace workmand::nats
