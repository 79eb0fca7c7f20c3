// The driver `redis`: jobs in streams of our own layout, one for each task and priority, read by
// one consumer group. docs/queues/redis.md describes the keys.
#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/redis_queue.h"
#include "daemon/queue/drivers/redis_scripts.h"

namespace workmand::redis {
namespace {

constexpr std::string_view kStreamKey = "stream";
constexpr std::string_view kGroupKey = "group";
constexpr auto kKeys = std::to_array<std::string_view>({kStreamKey, kGroupKey});
constexpr const char* kDefaultGroup = "workmand";
constexpr auto kPriorities = std::to_array<std::string_view>({"low", "normal", "high"});

template <typename Number>
Number ToNumber(std::string_view text) {
  Number value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Streams final : public Dialect {
 public:
  Streams(std::string stem, std::string group, Duration keep_dead)
      : stem_(std::move(stem)), group_(std::move(group)), keep_dead_(keep_dead) {}

  [[nodiscard]] Caps GetCaps() const override;
  [[nodiscard]] const std::string& stem() const override { return stem_; }
  [[nodiscard]] ScriptTexts Texts() const override;
  [[nodiscard]] std::string WhyRefused(const Enqueue& job) const override {
    return job.task.empty() ? "a job needs the name of a task" : "";
  }
  void AddPut(Args& words, const Enqueue& job, const std::string& id,
              const std::string& producer) const override;
  void AddFetch(Args& words, const Caller& caller, const FetchOrder& order) const override;
  [[nodiscard]] Hold Read(const redisReply* row, std::string& broken) const override;
  bool AddSettle(Args& words, const Hold& hold, const Update& update,
                 const Caller& caller) const override;
  [[nodiscard]] std::string PlaceOfDone(const Hold& hold) const override;
  void AddDone(Args& words, const Hold& hold, const Update& update,
               const Caller& caller) const override;

  void Tick(Server& server, const Caller& caller) override;
  std::optional<std::uint64_t> Size(Server& server, std::string_view task) override;
  std::optional<std::int64_t> OldestMs(Server& server) override;
  std::vector<DeadLetter> DeadLetters(Server& server, std::size_t limit) override;
  bool RetryDead(Server& server, std::string_view id) override {
    return Number(server.Run(Script::kRetry, {std::string(id)}).get()) > 0;
  }
  bool DropDead(Server& server, std::string_view id) override {
    return Number(server.Run(Script::kDrop, {std::string(id)}).get()) > 0;
  }

 private:
  std::string stem_;
  std::string group_;
  Duration keep_dead_;
  TimePoint sweep_at_;
};

Caps StreamCaps() {
  return {Cap::kWait | Cap::kForeground | Cap::kPriority | Cap::kUnique | Cap::kDelay |
              Cap::kAttempts | Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kHoldSurvives | Cap::kLease | Cap::kProgress | Cap::kPartialData |
              Cap::kDeadLetter | Cap::kOrdered | Cap::kCount | Cap::kConfirmedAck |
              Cap::kAtLeastOnce | Cap::kUncountedAbort,
          std::size_t{512} << 20U};
}

Caps Streams::GetCaps() const {
  return StreamCaps();
}

ScriptTexts Streams::Texts() const {
  const auto whole = [](const char* text) { return std::string(kPrelude) + kStreamPrelude + text; };
  return {whole(kStreamPut),   whole(kStreamFetch), whole(kStreamSettle), kStreamDone,
          whole(kStreamTick),  whole(kStreamSize),  whole(kStreamOldest), whole(kStreamLetters),
          whole(kStreamRetry), whole(kStreamDrop)};
}

void Streams::AddPut(Args& words, const Enqueue& job, const std::string& id,
                     const std::string& producer) const {
  words.insert(words.end(),
               {id, job.task, job.payload, job.unique, std::to_string(job.max_attempts),
                std::string(kPriorities[static_cast<std::size_t>(job.priority)]),
                std::to_string(job.delay.count()), producer});
}

void Streams::AddFetch(Args& words, const Caller& caller, const FetchOrder& order) const {
  words.insert(words.end(),
               {group_, caller.instance, std::to_string(order.n),
                std::to_string(caller.lease.count()), order.look_for_expired ? "1" : "0"});
  words.insert(words.end(), order.tasks.begin(), order.tasks.end());
}

Hold Streams::Read(const redisReply* row, std::string& /*broken*/) const {
  // key, entry, count, id, task, payload, unique, max, ends, seen, at, priority, somebody waits
  const auto text = [row](std::size_t i) { return std::string(Text(At(row, i))); };
  const auto count = static_cast<int>(Number(At(row, 2)));
  Hold hold;
  hold.words = {text(0), text(1), std::to_string(count), text(4), text(11)};
  Job& job = hold.job;
  job.id = text(3);
  job.task = text(4);
  job.payload = text(5);
  job.unique = text(6);
  job.max_attempts = ToNumber<int>(Text(At(row, 7)));
  job.attempt = ToNumber<int>(Text(At(row, 8))) + 1;
  job.deliveries = ToNumber<int>(Text(At(row, 9))) + count;
  job.enqueued_at_ms = ToNumber<std::int64_t>(Text(At(row, 10)));
  const auto priority = std::find(kPriorities.begin(), kPriorities.end(), Text(At(row, 11)));
  if (priority != kPriorities.end()) {
    job.priority = static_cast<Priority>(priority - kPriorities.begin());
  }
  job.wants_result = Number(At(row, 12)) > 0;
  job.wants_progress = job.wants_result;
  return hold;
}

bool Streams::AddSettle(Args& words, const Hold& hold, const Update& update,
                        const Caller& caller) const {
  words.insert(words.end(), {group_, caller.instance});
  words.insert(words.end(), hold.words.begin(), hold.words.end());
  words.insert(words.end(),
               {std::string(KindWord(update)), update.bytes, std::to_string(update.delay.count()),
                update.never_ran ? "1" : "0", std::to_string(update.numerator),
                std::to_string(update.denominator), std::to_string(caller.result_ttl.count())});
  return true;
}

std::string Streams::PlaceOfDone(const Hold& hold) const {
  return hold.job.wants_result || !hold.job.unique.empty() ? std::string() : hold.words[0];
}

void Streams::AddDone(Args& words, const Hold& hold, const Update& /*update*/,
                      const Caller& caller) const {
  constexpr std::size_t kHead = 4;  // the command, the script, the number of keys, the stem
  if (words.size() == kHead) words.insert(words.end(), {group_, caller.instance, hold.words[0]});
  words.insert(words.end(), {hold.words[1], hold.words[2]});
}

void Streams::Tick(Server& server, const Caller& /*caller*/) {
  const TimePoint now = Clock::now();
  const bool sweep = now >= sweep_at_;
  if (sweep) sweep_at_ = After(now, std::chrono::hours(1));
  (void)server.Run(Script::kTick, {group_, std::to_string(keep_dead_.count()), sweep ? "1" : "0"});
}

std::optional<std::uint64_t> Streams::Size(Server& server, std::string_view task) {
  const Reply reply = server.Run(Script::kSize, {group_, std::string(task)});
  return static_cast<std::uint64_t>(Number(reply.get()));
}

std::optional<std::int64_t> Streams::OldestMs(Server& server) {
  const Reply reply = server.Run(Script::kOldest, {group_});
  const long long age = Number(reply.get());
  return age < 0 ? std::nullopt : std::optional<std::int64_t>(age);
}

std::vector<DeadLetter> Streams::DeadLetters(Server& server, std::size_t limit) {
  const auto most = std::min<std::size_t>(limit, 1'000'000'000);
  const Reply reply = server.Run(Script::kLetters, {std::to_string(most)});
  std::vector<DeadLetter> letters;
  for (const redisReply* row : Elements(reply.get())) {
    const auto text = [row](std::size_t i) { return std::string(Text(At(row, i))); };
    letters.push_back({text(0), text(1), text(2), text(3), ToNumber<int>(Text(At(row, 4))),
                       ToNumber<int>(Text(At(row, 5))), ToNumber<std::int64_t>(Text(At(row, 6)))});
  }
  return letters;
}

std::vector<QueueKeyError> CheckStreamOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKeys(options, kKeys, errors);
  for (const std::string_view key : kKeys) {
    const auto value = GetString(options, key, "x");
    CheckValue(key, value, errors);
    if (value && value->empty()) errors.push_back({std::string(key), "must not be empty"});
  }
  return errors;
}

Result<std::unique_ptr<Queue>> OpenStreams(const DriverConfig& config, Role /*role*/) {
  auto settings = MakeSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  const auto stem = GetString(config.options, kStreamKey, "workman:" + config.profile_name);
  const auto group = GetString(config.options, kGroupKey, kDefaultGroup);
  if (!stem) return tl::unexpected(stem.error());
  if (!group) return tl::unexpected(group.error());
  auto dialect = std::make_unique<Streams>(*stem, *group, config.dead_letter_retention);
  return std::make_unique<RedisQueue>(std::move(*settings), std::move(dialect));
}

}  // namespace
}  // namespace workmand::redis

WORKMAN_QUEUE_DRIVER("redis", workmand::redis::StreamCaps, workmand::redis::CheckStreamOptions,
                     workmand::redis::OpenStreams)
