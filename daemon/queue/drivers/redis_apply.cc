// The other half of RedisQueue: jobs on their way in, settlements, results.
#include <algorithm>
#include <charconv>
#include <map>
#include <poll.h>
#include <utility>

#include "daemon/queue/drivers/redis_queue.h"

namespace workmand::redis {
namespace {

double ToDouble(std::string_view text) {
  double value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The fields of a stream's entry by name.
std::string_view FieldOf(const redisReply* fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < Elements(fields).size(); i += 2) {
    if (Text(At(fields, i)) == name) return Text(At(fields, i + 1));
  }
  return {};
}

}  // namespace

std::string_view KindWord(const Update& update) {
  switch (update.kind) {
    case Update::Kind::kDone: return "done";
    case Update::Kind::kFail: return update.retry ? "retry" : "dead";
    case Update::Kind::kAbort: return "abort";
    case Update::Kind::kProgress: return "progress";
    case Update::Kind::kData: return "data";
    case Update::Kind::kExtend: return "extend";
  }
  return "abort";
}

std::string RedisQueue::NewId() {
  return id_stem_ + ToHex(++last_id_);
}

std::string RedisQueue::Put(const Enqueue& job) {
  std::vector<std::string> ids;
  std::vector<std::string> why;
  PutMany({&job, 1}, ids, why);
  if (!why.front().empty()) throw Rejected(why.front());
  return ids.front();
}

void RedisQueue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                         std::vector<std::string>& why) {
  if (!link_.open()) throw ConnectionLost("redis: not connected");
  DrainFetch();
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    why[i] = dialect_->WhyRefused(jobs[i]);
    if (!why[i].empty()) continue;
    Args words = Begin(Script::kPut);
    dialect_->AddPut(words, jobs[i], NewId(), jobs[i].foreground ? caller_.instance : "");
    link_.Send(words);
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!why[i].empty()) continue;
    ids[i] = Text(AwaitSound().get());
    if (jobs[i].foreground) awaited_.insert(ids[i]);
  }
}

Applied RedisQueue::Prepare(const Update& update, Args& words) const {
  const auto hold = held_.find(update.token.value);
  if (hold == held_.end()) return Applied::kLost;
  for (const Enqueue& job : update.enqueue) {
    if (!dialect_->WhyRefused(job).empty()) return Applied::kRefused;
  }
  words = Begin(Script::kSettle);
  return dialect_->AddSettle(words, hold->second, update, caller_) ? Applied::kOk
                                                                   : Applied::kUnsupported;
}

/// The place where this update can end together with others; empty = by itself.
std::string RedisQueue::PlaceOfDone(const Update& update) const {
  if (update.kind != Update::Kind::kDone || !update.enqueue.empty()) return {};
  const auto hold = held_.find(update.token.value);
  return hold == held_.end() ? std::string() : dialect_->PlaceOfDone(hold->second);
}

void RedisQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  if (!link_.open()) throw ConnectionLost("redis: not connected");
  DrainFetch();
  // Of each command that is sent, in their order, the updates that it answers.
  std::vector<std::vector<std::size_t>> sent;
  std::map<std::string, std::pair<Args, std::vector<std::size_t>>> done;
  std::set<std::uint64_t> settled;  // of this batch: a second settlement finds nothing
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& update = updates[i];
    answers[i] = Applied::kLost;
    if (settled.contains(update.token.value)) continue;
    if (const std::string place = PlaceOfDone(update); !place.empty()) {
      auto& [words, of] = done[place];
      if (words.empty()) words = Begin(Script::kDone);
      dialect_->AddDone(words, held_.at(update.token.value), update, caller_);
      of.push_back(i);
      settled.insert(update.token.value);
      continue;
    }
    Args words;
    answers[i] = Prepare(update, words);
    if (answers[i] != Applied::kOk) continue;
    for (const Enqueue& job : update.enqueue) dialect_->AddPut(words, job, NewId(), "");
    link_.Send(words);
    sent.push_back({i});
    if (IsSettlement(update.kind)) settled.insert(update.token.value);
  }
  for (auto& [place, batch] : done) {
    link_.Send(batch.first);
    sent.push_back(std::move(batch.second));
  }
  for (const std::vector<std::size_t>& of : sent) {
    const Reply reply = AwaitSound();
    const bool one = reply->type != REDIS_REPLY_ARRAY;
    for (std::size_t at = 0; at < of.size(); ++at) {
      const std::string_view word = Text(one ? reply.get() : At(reply.get(), at));
      answers[of[at]] = word == "ok" ? Applied::kOk : Applied::kLost;
    }
  }
  for (const std::uint64_t token : settled) held_.erase(token);
}

void RedisQueue::Arm(Armed what, const Args& words) {
  if (armed_ == what && bell_link_.open()) return;
  if (armed_ != Armed::kNothing || !bell_link_.open()) bell_link_.Open(settings_.address);
  bell_link_.Send(words);
  armed_ = what;
}

Reply RedisQueue::Listen(TimePoint until, const Waker& waker) {
  Reply reply = bell_link_.AwaitUntil(until, &waker);
  if (!reply) return nullptr;
  armed_ = Armed::kNothing;
  if (reply->type == REDIS_REPLY_ERROR) {
    throw ConnectionLost("redis " + settings_.address.Name() + ": " +
                         std::string(Text(reply.get())));
  }
  return reply;
}

void RedisQueue::Collect(std::vector<workmand::Reply>& out, Duration timeout, const Waker& waker) {
  if (!link_.open()) throw ConnectionLost("redis: not connected");
  if (awaited_.empty()) {
    // Nothing is due on the link: when it can be read, the server is gone.
    if (waker.Wait(link_.fd(), POLLIN, timeout) == Waker::Why::kReady) {
      (void)link_.AwaitUntil(Clock::now(), nullptr);
    }
    return;
  }
  Arm(Armed::kReplies, {"XREAD", "COUNT", "256", "BLOCK", "0", "STREAMS",
                        dialect_->stem() + ":replies:" + caller_.instance, last_reply_});
  const Reply reply = Listen(After(Clock::now(), timeout), waker);
  if (reply) ReadReplies(reply.get(), out);
}

void RedisQueue::ReadReplies(const redisReply* reply, std::vector<workmand::Reply>& out) {
  Args forget = {"XDEL", dialect_->stem() + ":replies:" + caller_.instance};
  for (const redisReply* entry : Elements(At(At(reply, 0), 1))) {
    last_reply_ = Text(At(entry, 0));
    forget.push_back(last_reply_);
    const redisReply* fields = At(entry, 1);
    const std::string id(FieldOf(fields, "id"));
    const std::string_view kind = FieldOf(fields, "kind");
    const std::string bytes(FieldOf(fields, "bytes"));
    if (!awaited_.contains(id)) continue;
    if (kind == "progress" || kind == "data") {
      const auto what = kind == "data" ? Update::Kind::kData : Update::Kind::kProgress;
      notes_.push_back(
          {id, what, bytes, ToDouble(FieldOf(fields, "a")), ToDouble(FieldOf(fields, "b"))});
      continue;
    }
    awaited_.erase(id);
    out.push_back({id,
                   kind == "done" ? workmand::Reply::State::kDone : workmand::Reply::State::kFailed,
                   bytes});
  }
  if (forget.size() > 2) (void)Call(forget);
}

void RedisQueue::TakeProgress(std::vector<ProgressNote>& out) {
  std::move(notes_.begin(), notes_.end(), std::back_inserter(out));
  notes_.clear();
}

std::optional<std::uint64_t> RedisQueue::Size(std::string_view task) {
  return dialect_->Size(*this, task);
}

std::optional<std::int64_t> RedisQueue::OldestMs() {
  return dialect_->OldestMs(*this);
}

std::vector<DeadLetter> RedisQueue::DeadLetters(std::size_t limit) {
  return dialect_->DeadLetters(*this, limit);
}

bool RedisQueue::RetryDead(std::string_view id) {
  return dialect_->RetryDead(*this, id);
}

bool RedisQueue::DropDead(std::string_view id) {
  return dialect_->DropDead(*this, id);
}

}  // namespace workmand::redis
