// Celery with Redis as its broker: the lists of kombu, and results where AsyncResult looks for
// them.
#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/queue/drivers/celery_brokers.h"
#include "daemon/queue/drivers/celery_message.h"
#include "daemon/queue/drivers/celery_result.h"
#include "daemon/queue/drivers/celery_store.h"
#include "daemon/queue/drivers/redis_lists.h"
#include "daemon/queue/drivers/redis_queue.h"

namespace workmand::redis {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"queues", "result_backend"});
constexpr std::string_view kBackendKey = "result_backend";
constexpr const char* kDefaultQueue = "celery";
/// kombu's lists of one queue, the most urgent first.
constexpr auto kPrioritySuffixes = std::to_array<std::string_view>({"",
                                                                    "\x06\x16"
                                                                    "3",
                                                                    "\x06\x16"
                                                                    "6",
                                                                    "\x06\x16"
                                                                    "9"});

using celery::CeleryMessage;
using celery::IsOver;
using celery::kExpired;
using celery::NowMs;
using celery::ParseCeleryMessage;
using celery::ToCeleryPayload;

class Celery final : public Lists {
 public:
  Celery(ListOptions options, bool results)
      : Lists("celery", "workman-celery", std::move(options)), results_(results) {}

  [[nodiscard]] Caps GetCaps() const override { return ListCaps(); }

  void AddPut(Args& words, const Enqueue& job, const std::string& id,
              const std::string& producer) const override {
    Meta meta;
    meta.id = id;
    meta.unique = job.unique;
    meta.max = job.max_attempts;
    CeleryMessage message;
    message.id = id;
    message.task = job.task;
    celery::ToCeleryArguments(job.payload, message, meta.whole);
    const std::string& queue = options().queues.front();
    words.insert(words.end(), {queue, WithMeta(celery::MakeCeleryMessage(message, queue), meta), id,
                               job.task, job.unique, std::to_string(job.delay.count()), producer});
  }

 protected:
  [[nodiscard]] std::vector<std::string> QueueNames() const override {
    std::vector<std::string> keys;
    for (const std::string& queue : options().queues) {
      for (const std::string_view suffix : kPrioritySuffixes) {
        keys.push_back(queue + std::string(suffix));
      }
    }
    return keys;
  }

  [[nodiscard]] std::string MakeBody(const Enqueue& /*job*/, const std::string& /*id*/,
                                     const std::string& /*arguments*/) const override {
    return {};
  }
  [[nodiscard]] std::string ReadBody(Hold& hold, int whole) const override {
    const CeleryMessage message = ParseCeleryMessage(hold.extra);
    if (!message.broken.empty()) return message.broken;
    if (IsOver(message.expires_ms)) return std::string(kExpired);
    hold.postpone = std::max(Duration{message.eta_ms - NowMs()}, Duration{0});
    hold.job.payload = ToCeleryPayload(message, whole);
    hold.job.attempt = std::max(hold.job.attempt, message.retries + 1);
    return {};
  }
  void AddCommands(Commands& commands, const Hold& hold, const Update& update,
                   const Caller& caller) const override;

  [[nodiscard]] const char* GraveKind() const override { return "zset"; }
  [[nodiscard]] std::string GraveKey() const override { return stem() + ":dead"; }
  [[nodiscard]] Args ListGraves(std::size_t limit) const override {
    return {"ZREVRANGE", GraveKey(), "0", std::to_string(limit - 1)};
  }
  [[nodiscard]] bool NewestFirst() const override { return true; }
  [[nodiscard]] Grave ReadGrave(std::string_view raw) const override;
  [[nodiscard]] std::string Revive(const Grave& grave) const override {
    Meta meta;
    const std::string body = WithoutMeta(grave.element, meta);
    meta.ends = 0;
    meta.seen = 0;
    return WithMeta(body, meta);
  }

 private:
  bool results_;
};

void Celery::AddCommands(Commands& commands, const Hold& hold, const Update& update,
                         const Caller& /*caller*/) const {
  const bool failed = update.kind == Update::Kind::kFail;
  if (failed && update.retry) return;
  const CeleryMessage message = ParseCeleryMessage(hold.extra);
  const bool expired =
      failed && IsOver(message.expires_ms) && ReadError(update.bytes).message == kExpired;
  if (results_ && !message.ignore_result && !hold.job.task.empty()) {
    const std::string& id = hold.job.id;
    celery::AddResult(commands, id, celery::MakeResult(id, update, expired));
  }
  if (!failed || expired) return;
  Meta meta = MetaOf(hold);
  ++meta.ends;
  const bool readable = !hold.job.task.empty();
  const std::string body = readable ? hold.extra : "{\"unreadable\":" + Quoted(hold.extra) + "}";
  const std::string now = std::to_string(NowMs());
  commands.push_back(
      {"ZADD", GraveKey(), now,
       WithMeta(WithMembers(body, {{"workman_queue", Quoted(hold.words[1])},
                                   {"workman_at", now},
                                   {"workman_error", update.bytes.empty() ? "{}" : update.bytes}}),
                meta)});
}

Lists::Grave Celery::ReadGrave(std::string_view raw) const {
  Grave grave;
  grave.raw = raw;
  Meta meta;
  std::string body = WithoutMeta(raw, meta);
  grave.queue = MemberText(body, "workman_queue");
  DeadLetter& letter = grave.letter;
  letter.error = MemberText(body, "workman_error");
  const std::string at = MemberText(body, "workman_at");
  (void)std::from_chars(at.data(), at.data() + at.size(), letter.failed_at_ms);
  for (const char* name : {"workman_queue", "workman_at", "workman_error"}) {
    body = Without(body, name);
  }
  const CeleryMessage message = ParseCeleryMessage(body);
  letter.id = meta.id;
  letter.task = message.task;
  letter.payload = message.broken.empty() ? ToCeleryPayload(message, meta.whole) : body;
  letter.attempts = meta.ends;
  letter.deliveries = meta.seen;
  grave.element = WithMeta(body, meta);
  return grave;
}

}  // namespace

std::vector<QueueKeyError> CheckCeleryLists(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKeys(options, kKeys, errors);
  CheckListKeys(options, false, errors);
  constexpr auto kBackends = std::to_array<std::string_view>({"broker", "none"});
  CheckValue(kBackendKey, GetChoice(options, kBackendKey, kBackends, "broker"), errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenCeleryLists(const DriverConfig& config, Role role) {
  auto settings = MakeSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  auto options = ReadListOptions(config, role, "");
  if (!options) return tl::unexpected(options.error());
  if (!HasKey(config.options, "queues")) options->queues = {kDefaultQueue};
  const auto backend = GetString(config.options, kBackendKey, "broker");
  if (!backend) return tl::unexpected(backend.error());
  return std::make_unique<RedisQueue>(
      std::move(*settings), std::make_unique<Celery>(std::move(*options), *backend != "none"));
}

}  // namespace workmand::redis
