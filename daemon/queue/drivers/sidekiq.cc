// The driver `sidekiq`: the queues, the schedule, the retries and the dead jobs of Sidekiq, shared
// with its own processes. docs/queues/sidekiq.md describes the keys.
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/redis_lists.h"
#include "daemon/queue/drivers/redis_queue.h"

namespace workmand::redis {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"queues"});
/// What Sidekiq itself keeps of dead jobs.
constexpr double kDeadSeconds = 180.0 * 24 * 3600;
constexpr const char* kDeadRank = "-10001";

double NowSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string Seconds(double seconds) {
  std::array<char, 48> text{};
  (void)std::snprintf(text.data(), text.size(), "%.6f", seconds);
  return text.data();
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 16> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
  return text.data();
}

std::int64_t ToMs(const std::string& seconds) {
  double value = 0;
  (void)std::from_chars(seconds.data(), seconds.data() + seconds.size(), value);
  return static_cast<std::int64_t>(value * 1000);
}

int ToInt(const std::string& text, int fallback) {
  int value = fallback;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Sidekiq final : public Lists {
 public:
  explicit Sidekiq(ListOptions options) : Lists("sidekiq", "workman", std::move(options)) {}

  [[nodiscard]] Caps GetCaps() const override { return ListCaps(); }

 protected:
  [[nodiscard]] std::string MakeBody(const Enqueue& job, const std::string& id,
                                     const std::string& arguments) const override {
    const std::string now = Seconds(NowSeconds());
    std::string retry = "true";
    if (job.max_attempts == 1) retry = "false";
    if (job.max_attempts > 1) retry = std::to_string(job.max_attempts - 1);
    std::string body = "{\"retry\":" + retry + ",\"queue\":" + Quoted(options().queues.front()) +
                       ",\"class\":" + Quoted(job.task) + ",\"args\":" + arguments +
                       ",\"jid\":" + Quoted(id) + ",\"created_at\":" + now;
    if (job.delay.count() <= 0) body += ",\"enqueued_at\":" + now;
    return body + "}";
  }

  void ReadMore(std::string_view body, Job& job) const override {
    const std::string retry = MemberText(body, "retry");
    if (retry == "false" || retry == "0") {
      job.max_attempts = 1;
    } else if (const int retries = ToInt(retry, 0); retries > 0) {
      job.max_attempts = retries + 1;
    }
    // Retries that Sidekiq's own processes made count as well.
    const std::string count = MemberText(body, "retry_count");
    if (!count.empty()) job.attempt = std::max(job.attempt, ToInt(count, -1) + 2);
    job.deliveries = std::max(job.deliveries, job.attempt);
    job.enqueued_at_ms = ToMs(MemberText(body, "enqueued_at"));
    if (job.enqueued_at_ms == 0) job.enqueued_at_ms = ToMs(MemberText(body, "created_at"));
  }

  [[nodiscard]] std::string RetryBody(const Hold& hold, const Update& update) const override {
    return FailedBody(hold, update);
  }
  void AddCommands(Commands& commands, const Hold& hold, const Update& update,
                   const Caller& caller) const override;

  [[nodiscard]] const char* GraveKind() const override { return "zset"; }
  [[nodiscard]] std::string GraveKey() const override { return Key("dead"); }
  [[nodiscard]] Args ListGraves(std::size_t limit) const override {
    return {"ZREVRANGE", GraveKey(), "0", std::to_string(limit - 1)};
  }
  [[nodiscard]] bool NewestFirst() const override { return true; }

  [[nodiscard]] Grave ReadGrave(std::string_view raw) const override {
    Grave grave;
    grave.raw = raw;
    grave.element = raw;
    grave.queue = MemberText(raw, "queue");
    if (grave.queue.empty()) grave.queue = options().queues.front();
    DeadLetter& letter = grave.letter;
    ReadLetter(raw, letter);
    if (letter.id.empty()) letter.id = MemberText(raw, "jid");
    if (letter.attempts == 0) letter.attempts = ToInt(MemberText(raw, "retry_count"), -1) + 1;
    letter.error = MemberText(raw, "workman_error");
    if (letter.error.empty()) {
      letter.error = "{\"message\":" + Quoted(MemberText(raw, "error_message")) +
                     ",\"class\":" + Quoted(MemberText(raw, "error_class")) + "}";
    }
    letter.failed_at_ms = ToMs(MemberText(raw, "retried_at"));
    if (letter.failed_at_ms == 0) letter.failed_at_ms = ToMs(MemberText(raw, "failed_at"));
    return grave;
  }

  [[nodiscard]] std::string Revive(const Grave& grave) const override {
    Meta meta;
    std::string body = WithoutMeta(grave.element, meta);
    for (const char* name : {"retry_count", "workman_error"}) body = Without(body, name);
    meta.id = grave.letter.id;
    meta.ends = 0;
    meta.seen = 0;
    return WithMeta(WithMembers(body, {{"enqueued_at", Seconds(NowSeconds())}}), meta);
  }

 private:
  static std::string FailedBody(const Hold& hold, const Update& update);
};

std::string Sidekiq::FailedBody(const Hold& hold, const Update& update) {
  const ErrorWords error = ReadError(update.bytes);
  const std::string now = Seconds(NowSeconds());
  const std::string first = MemberText(hold.extra, "failed_at");
  std::vector<std::pair<std::string, std::string>> members = {
      {"retry_count", std::to_string(hold.job.attempt - 1)},
      {"error_message", Quoted(error.message)},
      {"error_class", Quoted(error.type)},
      {"failed_at", first.empty() ? now : first}};
  if (!first.empty()) members.emplace_back("retried_at", now);
  if (MemberText(hold.extra, "queue").empty()) members.emplace_back("queue", Quoted(hold.words[1]));
  if (!update.bytes.empty()) members.emplace_back("workman_error", update.bytes);
  return WithMembers(hold.extra, members);
}

void Sidekiq::AddCommands(Commands& commands, const Hold& hold, const Update& update,
                          const Caller& /*caller*/) const {
  const bool failed = update.kind == Update::Kind::kFail;
  for (const std::string& stat : {std::string("stat:processed"), "stat:processed:" + Today()}) {
    commands.push_back({"INCR", Key(stat)});
  }
  if (!failed) return;
  for (const std::string& stat : {std::string("stat:failed"), "stat:failed:" + Today()}) {
    commands.push_back({"INCR", Key(stat)});
  }
  if (update.retry) return;
  Meta meta = MetaOf(hold);
  ++meta.ends;
  const double now = NowSeconds();
  // What cannot be read as a job is kept as the argument of a job that no program has.
  const std::string body = hold.job.task.empty()
                               ? R"({"class":"unreadable","args":[)" + Quoted(hold.extra) +
                                     "],\"jid\":" + Quoted(hold.job.id) + "}"
                               : hold.extra;
  Hold readable = hold;
  readable.extra = body;
  commands.push_back(
      {"ZADD", Key("dead"), Seconds(now), WithMeta(FailedBody(readable, update), meta)});
  commands.push_back({"ZREMRANGEBYSCORE", Key("dead"), "-inf", Seconds(now - kDeadSeconds)});
  commands.push_back({"ZREMRANGEBYRANK", Key("dead"), "0", kDeadRank});
}

std::vector<QueueKeyError> CheckSidekiqOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKeys(options, kKeys, errors);
  CheckListKeys(options, false, errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenSidekiq(const DriverConfig& config, Role role) {
  auto settings = MakeSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  auto options = ReadListOptions(config, role, "");
  if (!options) return tl::unexpected(options.error());
  return std::make_unique<RedisQueue>(std::move(*settings),
                                      std::make_unique<Sidekiq>(std::move(*options)));
}

}  // namespace
}  // namespace workmand::redis

WORKMAN_QUEUE_DRIVER("sidekiq", workmand::redis::ListCaps, workmand::redis::CheckSidekiqOptions,
                     workmand::redis::OpenSidekiq)
