// The driver `resque`: the queues of Resque, for Ruby, Node.js and whatever else speaks it, shared
// with its own workers. docs/queues/resque.md describes the keys.
#include <array>
#include <ctime>
#include <iomanip>
#include <sstream>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/redis_lists.h"
#include "daemon/queue/drivers/redis_queue.h"

namespace workmand::redis {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"namespace", "queues"});
constexpr std::string_view kDefaultNamespace = "resque";

std::string NowAs(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::ostringstream text;
  text << std::put_time(&parts, format);
  return text.str();
}

std::string Lines(std::string_view trace) {
  std::string lines = "[";
  while (!trace.empty()) {
    const std::size_t end = std::min(trace.find('\n'), trace.size());
    if (end > 0) lines += (lines.size() > 1 ? "," : "") + Quoted(trace.substr(0, end));
    trace.remove_prefix(std::min(end + 1, trace.size()));
  }
  return lines + "]";
}

class Resque final : public Lists {
 public:
  explicit Resque(ListOptions options) : Lists("resque", "workman", std::move(options)) {}

  [[nodiscard]] Caps GetCaps() const override { return ListCaps(); }

  void Enter(Server& server, const Caller& caller) override {
    if (!options().consumer) return;
    const std::string worker = WorkerName(caller);
    (void)server.Call({"SADD", Key("workers"), worker});
    (void)server.Call(
        {"SET", Key("worker:" + worker + ":started"), NowAs("%Y-%m-%d %H:%M:%S UTC")});
    Beat(server, caller);
  }
  void Leave(Server& server, const Caller& caller) override {
    if (!options().consumer) return;
    const std::string worker = WorkerName(caller);
    (void)server.Call({"SREM", Key("workers"), worker});
    (void)server.Call({"DEL", Key("worker:" + worker), Key("worker:" + worker + ":started"),
                       Key("stat:processed:" + worker), Key("stat:failed:" + worker)});
    (void)server.Call({"HDEL", Key("workers:heartbeat"), worker});
  }
  void Tick(Server& server, const Caller& caller) override {
    if (options().consumer) Beat(server, caller);
  }

 protected:
  [[nodiscard]] std::string MakeBody(const Enqueue& job, const std::string& /*id*/,
                                     const std::string& arguments) const override {
    return "{\"class\":" + Quoted(job.task) + ",\"args\":" + arguments + "}";
  }
  void AddCommands(Commands& commands, const Hold& hold, const Update& update,
                   const Caller& caller) const override;

  [[nodiscard]] const char* GraveKind() const override { return "list"; }
  [[nodiscard]] std::string GraveKey() const override { return Key("failed"); }
  [[nodiscard]] Args ListGraves(std::size_t limit) const override {
    return {"LRANGE", GraveKey(), "-" + std::to_string(limit), "-1"};
  }
  [[nodiscard]] bool NewestFirst() const override { return false; }
  [[nodiscard]] Grave ReadGrave(std::string_view raw) const override;
  [[nodiscard]] std::string Revive(const Grave& grave) const override {
    Meta meta;
    const std::string body = WithoutMeta(grave.element, meta);
    meta.id = grave.letter.id;
    meta.ends = 0;
    meta.seen = 0;
    return WithMeta(body, meta);
  }

 private:
  /// Resque's own form: host:pid:queues.
  [[nodiscard]] std::string WorkerName(const Caller& caller) const {
    std::string name = caller.instance.substr(0, caller.instance.rfind(':') + 1);
    for (const std::string& queue : options().queues) {
      name += (name.back() == ':' ? "" : ",") + queue;
    }
    return name;
  }
  void Beat(Server& server, const Caller& caller) const {
    (void)server.Call(
        {"HSET", Key("workers:heartbeat"), WorkerName(caller), NowAs("%Y-%m-%dT%H:%M:%SZ")});
  }
};

void Resque::AddCommands(Commands& commands, const Hold& hold, const Update& update,
                         const Caller& caller) const {
  const std::string worker = WorkerName(caller);
  const bool failed = update.kind == Update::Kind::kFail;
  commands.push_back({"INCR", Key("stat:processed")});
  commands.push_back({"INCR", Key("stat:processed:" + worker)});
  if (!failed) return;
  commands.push_back({"INCR", Key("stat:failed")});
  commands.push_back({"INCR", Key("stat:failed:" + worker)});
  if (update.retry) return;
  Meta meta = MetaOf(hold);
  ++meta.ends;
  const ErrorWords error = ReadError(update.bytes);
  // What cannot be read as a job is kept as text, so that the record is JSON whatever it holds.
  const std::string payload =
      hold.job.task.empty() ? Quoted(hold.extra) : WithMeta(hold.extra, meta);
  std::string record = "{\"failed_at\":" + Quoted(NowAs("%Y/%m/%d %H:%M:%S UTC")) +
                       ",\"payload\":" + payload + ",\"exception\":" + Quoted(error.type) +
                       ",\"error\":" + Quoted(error.message) +
                       ",\"backtrace\":" + Lines(error.trace) + ",\"worker\":" + Quoted(worker) +
                       ",\"queue\":" + Quoted(hold.words[1]);
  if (!update.bytes.empty()) record += ",\"workman_error\":" + update.bytes;
  commands.push_back({"RPUSH", Key("failed"), record + "}"});
}

Lists::Grave Resque::ReadGrave(std::string_view raw) const {
  Grave grave;
  grave.raw = raw;
  grave.element = MemberText(raw, "payload");
  grave.queue = MemberText(raw, "queue");
  DeadLetter& letter = grave.letter;
  ReadLetter(grave.element, letter);
  if (letter.id.empty()) {
    // Of another program: the place in time and the job tell it apart well enough.
    letter.id = "f" + ToHex(static_cast<std::uint32_t>(std::hash<std::string_view>()(raw)));
  }
  letter.error = MemberText(raw, "workman_error");
  if (letter.error.empty()) {
    letter.error = "{\"message\":" + Quoted(MemberText(raw, "error")) +
                   ",\"class\":" + Quoted(MemberText(raw, "exception")) + "}";
  }
  std::tm parts{};
  if (strptime(MemberText(raw, "failed_at").c_str(), "%Y/%m/%d %H:%M:%S", &parts) != nullptr) {
    letter.failed_at_ms = std::int64_t{timegm(&parts)} * 1000;
  }
  return grave;
}

std::vector<QueueKeyError> CheckResqueOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKeys(options, kKeys, errors);
  CheckListKeys(options, true, errors);
  return errors;
}

Result<std::unique_ptr<Queue>> OpenResque(const DriverConfig& config, Role role) {
  auto settings = MakeSettings(config);
  if (!settings) return tl::unexpected(settings.error());
  auto options = ReadListOptions(config, role, kDefaultNamespace);
  if (!options) return tl::unexpected(options.error());
  return std::make_unique<RedisQueue>(std::move(*settings),
                                      std::make_unique<Resque>(std::move(*options)));
}

}  // namespace
}  // namespace workmand::redis

WORKMAN_QUEUE_DRIVER("resque", workmand::redis::ListCaps, workmand::redis::CheckResqueOptions,
                     workmand::redis::OpenResque)
