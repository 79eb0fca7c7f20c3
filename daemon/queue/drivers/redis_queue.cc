#include "daemon/queue/drivers/redis_queue.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <random>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/redis_lists.h"

namespace workmand::redis {
namespace {

/// Jobs that other programs put ring no bell: a daemon that sleeps looks so often.
constexpr Duration kPollInterval{250};
/// How often somebody looks for holds that are over.
constexpr Duration kLookInterval{500};
/// An answer that is on its way is waited for so long after a wake.
constexpr Duration kWakeGrace{20};
constexpr Duration kLongestTick{10'000};

std::string RandomHex() {
  std::random_device random;
  return ToHex(random()) + ToHex(random());
}

std::string ThisInstance() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  gethostname(host.data(), host.size() - 1);
  return std::string(host.data()) + ":" + std::to_string(getpid()) + ":" + RandomHex();
}

/// "7.0.15" -> 700, which is all that is compared.
int MajorMinor(std::string_view info) {
  constexpr std::string_view kKey = "redis_version:";
  const std::size_t at = info.find(kKey);
  if (at == std::string_view::npos) return 0;
  const std::string version(info.substr(at + kKey.size(), 16));
  int major = 0;
  int minor = 0;
  return std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 ? major * 100 + minor : 0;
}

}  // namespace

std::string ToHex(std::uint32_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(8, '0');
  for (std::size_t i = text.size(); i-- > 0; number >>= 4U) text[i] = kDigits[number & 15U];
  return text;
}

RedisQueue::RedisQueue(Settings settings, std::unique_ptr<Dialect> dialect)
    : settings_(std::move(settings)), dialect_(std::move(dialect)), id_stem_(RandomHex()) {
  caller_.instance = ThisInstance();
  caller_.lease = settings_.lease_time;
  caller_.result_ttl = settings_.result_ttl;
}

RedisQueue::~RedisQueue() {
  Disconnect();
}

void RedisQueue::Connect() {
  Disconnect();
  link_.Open(settings_.address);
  const Reply info = Call({"INFO", "server"});
  if (MajorMinor(Text(info.get())) < 602) {
    link_.Close();
    throw ConnectionLost("redis " + settings_.address.Name() + ": needs Redis 6.2 or later");
  }
  LoadScripts();
  dialect_->Enter(*this, caller_);
}

void RedisQueue::LoadScripts() {
  const ScriptTexts texts = dialect_->Texts();
  for (const std::string& text : texts) {
    if (!text.empty()) link_.Send({"SCRIPT", "LOAD", text});
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i].empty()) shas_[i] = Text(AwaitSound().get());
  }
}

void RedisQueue::Disconnect() noexcept {
  try {
    // With other answers still to come, the session ended in the middle of something.
    if (link_.open() && link_.due() == (fetching_ ? 1U : 0U)) {
      DrainFetch();
      for (const Hold& hold : ready_) GiveBack(hold);
      dialect_->Leave(*this, caller_);
    }
  } catch (const std::exception&) {
    // What could not be given back comes back when its lease is over.
  }
  ready_.clear();
  fetching_ = false;
  armed_ = Armed::kNothing;
  link_.Close();
  bell_link_.Close();
}

Args RedisQueue::Begin(Script script) const {
  Args words = {"EVALSHA", shas_[static_cast<std::size_t>(script)], "0"};
  const Args head = dialect_->Head();
  words.insert(words.end(), head.begin(), head.end());
  return words;
}

Reply RedisQueue::AwaitSound() {
  Reply reply = link_.Await();
  if (reply->type != REDIS_REPLY_ERROR) return reply;
  throw ConnectionLost("redis " + settings_.address.Name() + ": " + std::string(Text(reply.get())));
}

Reply RedisQueue::Run(Script script, const Args& words) {
  Args all = Begin(script);
  all.insert(all.end(), words.begin(), words.end());
  return Call(all);
}

Reply RedisQueue::Call(const Args& words) {
  DrainFetch();
  link_.Send(words);
  return AwaitSound();
}

void RedisQueue::RegisterTasks(std::span<const Subscription> tasks) {
  std::vector<std::string> names;
  for (const Subscription& entry : tasks) {
    if (entry.task == "*") throw Rejected("redis cannot serve \"*\": it needs names of tasks");
    if (std::find(names.begin(), names.end(), entry.task) == names.end()) {
      names.push_back(entry.task);
    }
  }
  tasks_ = std::move(names);
  if (!link_.open()) return;
  DrainFetch();
  std::erase_if(ready_, [this](const Hold& hold) {
    if (std::find(tasks_.begin(), tasks_.end(), hold.job.task) != tasks_.end()) return false;
    GiveBack(hold);
    return true;
  });
}

void RedisQueue::SendFetch(std::size_t n) {
  FetchOrder order;
  order.n = n;
  const TimePoint now = Clock::now();
  order.look_for_expired = now >= look_at_;
  if (order.look_for_expired) look_at_ = After(now, kLookInterval);
  order.tasks = tasks_;
  if (!tasks_.empty()) {
    const auto first = static_cast<std::ptrdiff_t>(turn_++ % tasks_.size());
    std::rotate(order.tasks.begin(), order.tasks.begin() + first, order.tasks.end());
  }
  Args words = Begin(Script::kFetch);
  dialect_->AddFetch(words, caller_, order);
  link_.Send(words);
  fetching_ = true;
  fetch_deadline_ = After(now, kReplyTimeout);
}

bool RedisQueue::ReadFetch(const Waker& waker) {
  Reply reply = link_.AwaitUntil(fetch_deadline_, &waker);
  if (!reply && Clock::now() < fetch_deadline_) {
    reply = link_.AwaitUntil(After(Clock::now(), kWakeGrace), nullptr);
    if (!reply) return false;
  }
  if (!reply) throw ConnectionLost("redis " + settings_.address.Name() + ": no answer within 5 s");
  fetching_ = false;
  TakeFetched(reply.get());
  return true;
}

void RedisQueue::DrainFetch() {
  if (!fetching_) return;
  const Reply reply = link_.Await();
  fetching_ = false;
  TakeFetched(reply.get());
}

void RedisQueue::TakeFetched(const redisReply* reply) {
  if (reply->type == REDIS_REPLY_ERROR) {
    throw ConnectionLost("redis " + settings_.address.Name() + ": " + std::string(Text(reply)));
  }
  last_bell_ = Text(At(reply, 0));
  due_ = Duration{Number(At(reply, 1))};
  for (const redisReply* row : Elements(At(reply, 2))) {
    std::string broken;
    Hold hold = dialect_->Read(row, broken);
    if (!broken.empty()) {
      Bury(std::move(hold), broken);
    } else if (hold.postpone.count() > 0) {
      GiveBack(hold);
      due_ = due_.count() < 0 ? hold.postpone : std::min(due_, hold.postpone);
    } else {
      ready_.push_back(std::move(hold));
    }
  }
}

void RedisQueue::Bury(Hold hold, const std::string& why) {
  log::Warn("job cannot be read", {{"job", hold.job.id}, {"reason", why}});
  Update fail;
  fail.kind = Update::Kind::kFail;
  fail.bytes = R"({"message":)" + Quoted(why) + "}";
  Args words = Begin(Script::kSettle);
  if (!dialect_->AddSettle(words, hold, fail, caller_)) return;
  link_.Send(words);
  (void)AwaitSound();
}

bool RedisQueue::HandOut(std::vector<Job>& out, std::size_t n) {
  std::size_t given = 0;
  while (!ready_.empty() && given < n) {
    Hold hold = std::move(ready_.front());
    ready_.pop_front();
    Job job = hold.job;
    hold.job.payload.clear();
    job.token = Token{++last_token_};
    held_.emplace(last_token_, std::move(hold));
    out.push_back(std::move(job));
    ++given;
  }
  return given > 0;
}

void RedisQueue::GiveBack(const Hold& hold) {
  Update abort;
  abort.kind = Update::Kind::kAbort;
  abort.never_ran = true;
  abort.delay = hold.postpone;
  Args words = Begin(Script::kSettle);
  if (!dialect_->AddSettle(words, hold, abort, caller_)) return;
  link_.Send(words);
  (void)AwaitSound();
}

void RedisQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                         const Waker& waker) {
  if (!link_.open()) throw ConnectionLost("redis: not connected");
  if (n == 0 || HandOut(out, n)) return;
  const TimePoint deadline = After(Clock::now(), timeout);
  for (;;) {
    if (!fetching_) SendFetch(n);
    if (!ReadFetch(waker) || HandOut(out, n)) return;
    const TimePoint now = Clock::now();
    if (now >= deadline) return;
    TimePoint until = std::min(deadline, After(now, kPollInterval));
    if (due_.count() >= 0) until = std::min(until, After(now, due_ + Duration{1}));
    Arm(Armed::kBell,
        {"XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", dialect_->stem() + ":bell", last_bell_});
    if (Listen(until, waker)) continue;
    // A wake ended the sleep before its time, or the deadline did.
    if (Clock::now() < until || until == deadline) return;
  }
}

Duration RedisQueue::Tick() {
  if (!link_.open()) return kLongestTick;
  DrainFetch();
  // Fetched for a Dequeue that was woken, and none came since: others may want them.
  for (const Hold& hold : ready_) GiveBack(hold);
  ready_.clear();
  dialect_->Tick(*this, caller_);
  return std::min(kLongestTick, settings_.lease_time / 3);
}

}  // namespace workmand::redis
