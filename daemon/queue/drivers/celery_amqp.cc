// Celery with RabbitMQ as its broker: tasks are messages whose headers describe them, and a result
// goes to the caller's own queue, where the backend rpc:// waits for it, or to Redis.
#include <algorithm>
#include <array>
#include <utility>

#include "daemon/queue/drivers/amqp_queue.h"
#include "daemon/queue/drivers/celery_brokers.h"
#include "daemon/queue/drivers/celery_message.h"
#include "daemon/queue/drivers/celery_result.h"
#include "daemon/queue/drivers/celery_store.h"
#include "daemon/queue/drivers/element_text.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::amqp {
namespace {

using celery::CeleryMessage;

constexpr std::string_view kQueuesKey = "queues";
constexpr std::string_view kBackendKey = "result_backend";
constexpr auto kKeys = std::to_array<std::string_view>({kUrlKey, kCaKey, kQueuesKey, kBackendKey});
constexpr std::string_view kBroker = "broker";
constexpr std::string_view kNone = "none";
constexpr std::string_view kDefaultQueue = "celery";
constexpr std::string_view kJson = "application/json";
/// How a payload became the arguments (celery::ToCeleryArguments).
constexpr std::string_view kWholeHeader = "workman-whole";

CeleryMessage ReadHeaders(const Properties& properties) {
  CeleryMessage message;
  message.task = properties.Text("task");
  message.id = properties.Text("id");
  message.eta_ms = celery::ParseCeleryTime(properties.Text("eta"));
  message.expires_ms = celery::ParseCeleryTime(properties.Text("expires"));
  message.retries = static_cast<int>(properties.Number("retries"));
  message.ignore_result = properties.IsTrue("ignore_result");
  return message;
}

class CeleryDialect final : public Dialect {
 public:
  /// `store`: where results go besides; null = nowhere. `replies`: they go to the caller's queue.
  CeleryDialect(std::unique_ptr<celery::ResultStore> store, bool replies)
      : store_(std::move(store)), replies_(replies) {}

  void Connect() override {
    if (store_) store_->Open();
  }
  void Disconnect() noexcept override {
    if (store_) store_->Close();
  }
  void Flush() override {
    if (store_) store_->Flush();
  }

  void Read(Hold& hold) const override;
  [[nodiscard]] std::string WhyNot(const Enqueue& job) const override;
  std::string_view Write(const Enqueue& job, std::string_view id,
                         Outgoing& properties) const override;
  void Tell(Link& link, const Hold& hold, std::string_view type, const Update& update) override;
  bool ReadReply(const Message& message, Reply& reply) const override;

 private:
  std::unique_ptr<celery::ResultStore> store_;
  bool replies_;
};

void CeleryDialect::Read(Hold& hold) const {
  const Properties& properties = hold.message.properties;
  CeleryMessage message = ReadHeaders(properties);
  celery::ReadCeleryBody(properties.content_type(), hold.message.body, message);
  hold.id = message.id;
  hold.task = message.task;
  // What cannot be read is shown as it is, among the dead letters.
  hold.payload =
      message.args.empty()
          ? hold.message.body
          : celery::ToCeleryPayload(message, static_cast<int>(properties.Number(kWholeHeader)));
  if (message.task.empty() || message.id.empty()) {
    hold.broken = celery::kNoProtocol2;
    return;
  }
  hold.broken = message.broken;
  if (hold.broken.empty() && celery::IsOver(message.expires_ms)) {
    hold.broken = celery::kExpired;
    hold.over = true;
  }
  hold.ends = std::max(hold.ends, message.retries);
  if (message.eta_ms > 0) {
    hold.postpone = std::max(Duration{message.eta_ms - celery::NowMs()}, Duration{0});
  }
}

std::string CeleryDialect::WhyNot(const Enqueue& job) const {
  if (job.priority != Priority::kNormal) return "a task of Celery is put without a priority here";
  return {};
}

std::string_view CeleryDialect::Write(const Enqueue& job, std::string_view id,
                                      Outgoing& properties) const {
  CeleryMessage message;
  int whole = 0;
  celery::ToCeleryArguments(job.payload, message, whole);
  properties.SetContent(kJson, "utf-8");
  properties.SetCorrelationId(id);
  properties.Add("lang", std::string_view("py"));
  properties.Add("task", std::string_view(job.task));
  properties.Add("id", id);
  for (const char* name : {"shadow", "eta", "expires", "group", "group_index", "parent_id"}) {
    properties.AddNull(name);
  }
  properties.Add("retries", std::int64_t{0});
  properties.AddTwoNulls("timelimit");
  properties.Add("root_id", id);
  properties.Add("argsrepr", properties.Keep(celery::ShownArguments(message.args)));
  properties.Add("kwargsrepr", properties.Keep(celery::ShownArguments(message.kwargs)));
  properties.Add("origin", std::string_view("workman"));
  properties.AddFalse("ignore_result");
  if (whole != 0) properties.Add(kWholeHeader, std::int64_t{whole});
  return properties.Keep(celery::MakeCeleryBody(message));
}

void CeleryDialect::Tell(Link& link, const Hold& hold, std::string_view type,
                         const Update& update) {
  if (hold.IsOurCaller()) Dialect::Tell(link, hold, type, update);
  if (!IsSettlement(update.kind)) return;
  const Properties& question = hold.message.properties;
  const bool replies = replies_ && !hold.IsOurCaller() && !question.reply_to().empty();
  if (hold.id.empty() || question.IsTrue("ignore_result") || (!store_ && !replies)) return;
  std::string result = celery::MakeResult(hold.id, update, hold.over);
  if (replies) {
    Outgoing properties;
    properties.SetContent(kJson, "utf-8");
    properties.SetCorrelationId(hold.id);
    link.Publish(question.reply_to(), properties, result, false);
  }
  if (store_) store_->Add(hold.id, std::move(result));
}

bool CeleryDialect::ReadReply(const Message& message, Reply& reply) const {
  // A worker of Celery has done a job whose caller is workman's.
  namespace json = workman::protocol;
  json::Object members;
  if (!element::ReadMembers(message.body, members)) return false;
  const std::string status = element::StringOf(members, "status");
  const std::string_view result = members.Find("result");
  if (status == "SUCCESS") {
    reply.state = Reply::State::kDone;
    reply.bytes = result;
    return true;
  }
  if (status != "FAILURE" && status != "REVOKED") return false;
  reply.state = Reply::State::kFailed;
  // exc_message is the array of the exception's arguments.
  const std::string words = element::MemberText(result, "exc_message");
  std::string_view inside = words;
  if (words.starts_with('[')) inside = inside.substr(1, words.size() - 2);
  const std::string_view first = words.starts_with('[') ? json::NextElement(inside) : inside;
  reply.bytes = R"({"message":)" +
                element::Quoted(json::ReadString(first).value_or(std::string(first))) +
                R"(,"class":)" + element::Quoted(element::MemberText(result, "exc_type")) + "}";
  return true;
}

std::vector<std::string> QueuesOf(const QueueOptions& options) {
  const auto queues = GetList(options, kQueuesKey);
  if (!queues || !HasKey(options, kQueuesKey)) return {std::string(kDefaultQueue)};
  return *queues;
}

}  // namespace

std::vector<QueueKeyError> CheckCeleryAmqp(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  CheckServer(options, errors);
  CheckValue(kQueuesKey, GetList(options, kQueuesKey), errors);
  const std::vector<std::string> queues = QueuesOf(options);
  if (queues.empty()) errors.push_back({std::string(kQueuesKey), "must name a queue"});
  for (const std::string& queue : queues) {
    const std::string why = WhyNoName(queue);
    if (!why.empty()) errors.push_back({std::string(kQueuesKey), "\"" + queue + "\" " + why});
  }
  const auto backend = GetString(options, kBackendKey, kBroker);
  CheckValue(kBackendKey, backend, errors);
  if (!backend || *backend == kBroker || *backend == kNone) return errors;
  if (!backend->starts_with("redis://")) {
    errors.push_back({std::string(kBackendKey),
                      "must be broker (for rpc://), none, or a URL that begins with redis://"});
  } else {
    CheckValue(kBackendKey, redis::ParseAddress(*backend), errors);
  }
  return errors;
}

Result<std::unique_ptr<Queue>> OpenCeleryAmqp(const DriverConfig& config, Role /*role*/) {
  const auto errors = CheckCeleryAmqp(config.options);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  Settings settings = ReadServer(config);
  settings.queues = QueuesOf(config.options);
  settings.priorities = false;
  settings.shared = true;
  const std::string backend = *GetString(config.options, kBackendKey, kBroker);
  std::unique_ptr<celery::ResultStore> store;
  if (backend.starts_with("redis://")) {
    store = std::make_unique<celery::ResultStore>(*redis::ParseAddress(backend));
  }
  auto dialect = std::make_unique<CeleryDialect>(std::move(store), backend == kBroker);
  return std::make_unique<AmqpQueue>(std::move(settings), std::move(dialect));
}

}  // namespace workmand::amqp
