// The driver `nats`: its keys, and what makes streams, consumers and jobs. docs/queues/nats.md
// tells other programs what they find there.
#include <array>
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/nats_names.h"
#include "daemon/queue/drivers/nats_queue.h"
#include "daemon/queue/options.h"

namespace workmand::nats {
namespace {

constexpr std::uint16_t kDefaultPort = 4222;
constexpr std::string_view kUrlKey = "url";
constexpr std::string_view kDefaultUrl = "nats://127.0.0.1:4222";
constexpr std::string_view kStreamKey = "stream";
constexpr std::string_view kSubjectKey = "subject";
constexpr auto kKeys = std::to_array<std::string_view>({kUrlKey, kStreamKey, kSubjectKey});
constexpr std::int64_t kNanoseconds = 1'000'000;

Result<Address> ParseAddress(std::string_view text) {
  const auto url = ParseQueueUrl(text);
  if (!url) return tl::unexpected(url.error());
  if (url->scheme == "tls") {
    return Fail(
        ErrorCode::kInvalid,
        "must begin with nats:// (tls:// is not served; put a TLS proxy before the server)");
  }
  if (url->scheme != "nats") {
    return Fail(ErrorCode::kInvalid, "must begin with nats:// (got " + url->scheme + "://)");
  }
  if (url->hosts.size() > 1) return Fail(ErrorCode::kInvalid, "must name one server");
  if (!url->path.empty() && url->path != "/") {
    return Fail(ErrorCode::kInvalid, "must end after the server: stream and subject have keys");
  }
  const auto where =
      ParseHostPort(url->hosts.empty() ? "127.0.0.1" : url->hosts.front(), kDefaultPort);
  if (!where) return tl::unexpected(where.error());
  return Address{where->host, where->port, url->user, url->password};
}

/// A profile's name with what the name of a stream, or a word of a subject, cannot have as "_".
std::string Safe(std::string name) {
  for (char& c : name) {
    if (!WhyNoStream(std::string(1, c)).empty()) c = '_';
  }
  return name.empty() ? "_" : name;
}

std::vector<QueueKeyError> CheckNatsOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  const auto url = GetString(options, kUrlKey, kDefaultUrl);
  CheckValue(kUrlKey, url, errors);
  if (url) CheckValue(kUrlKey, ParseAddress(*url), errors);
  for (const auto& [key, why] :
       {std::pair(kStreamKey, &WhyNoStream), {kSubjectKey, &WhyNoSubject}}) {
    const auto value = GetString(options, key, "x");
    CheckValue(key, value, errors);
    std::string sentence = value ? why(*value) : std::string();
    if (!sentence.empty()) errors.push_back({std::string(key), std::move(sentence)});
  }
  return errors;
}

Result<std::unique_ptr<Queue>> OpenNats(const DriverConfig& config, Role /*role*/) {
  const auto errors = CheckNatsOptions(config.options);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  const std::string name = Safe(config.profile_name);
  Settings settings;
  settings.address = *ParseAddress(*GetString(config.options, kUrlKey, kDefaultUrl));
  settings.stream = *GetString(config.options, kStreamKey, "WORKMAN_" + name);
  settings.subject = *GetString(config.options, kSubjectKey, "workman." + name);
  settings.lease = config.lease_time;
  return std::make_unique<NatsQueue>(std::move(settings));
}

struct DestroyStreamInfo {
  void operator()(jsStreamInfo* info) const { jsStreamInfo_Destroy(info); }
};
struct DestroyConsumerInfo {
  void operator()(jsConsumerInfo* info) const { jsConsumerInfo_Destroy(info); }
};
struct DestroyAck {
  void operator()(jsPubAck* ack) const { jsPubAck_Destroy(ack); }
};

}  // namespace

Caps NatsCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kRetryDelay | Cap::kAbortDelay | Cap::kHoldSurvives | Cap::kLease |
              Cap::kDurable | Cap::kOrdered | Cap::kConfirmedAck | Cap::kAtLeastOnce |
              Cap::kUncountedAbort;
  return caps;
}

void NatsQueue::Connect() {
  Disconnect();
  link_.Open(settings_.address);
  MakeStream();
}

void NatsQueue::MakeStream() {
  jsStreamInfo* info = nullptr;
  jsErrCode code{};
  natsStatus status =
      js_GetStreamInfo(&info, link_.stream(), settings_.stream.c_str(), nullptr, &code);
  if (status == NATS_NOT_FOUND || code == JSStreamNotFoundErr) {
    jsStreamConfig config;
    link_.Check(jsStreamConfig_Init(&config), "stream");
    const std::string every = settings_.subject + ".>";
    std::array<const char*, 1> subjects = {every.c_str()};
    config.Name = settings_.stream.c_str();
    config.Subjects = subjects.data();
    config.SubjectsLen = 1;
    config.Retention = js_WorkQueuePolicy;
    config.Storage = js_FileStorage;
    status = js_AddStream(&info, link_.stream(), &config, nullptr, &code);
  }
  const std::unique_ptr<jsStreamInfo, DestroyStreamInfo> owner(info);
  link_.Check(status, ("stream " + settings_.stream).c_str());
}

void NatsQueue::MakeConsumer(Lane& lane, const std::string& name) {
  jsConsumerInfo* info = nullptr;
  jsErrCode code{};
  natsStatus status = js_GetConsumerInfo(&info, link_.stream(), settings_.stream.c_str(),
                                         name.c_str(), nullptr, &code);
  if (status == NATS_NOT_FOUND || code == JSConsumerNotFoundErr) {
    jsConsumerConfig config;
    link_.Check(jsConsumerConfig_Init(&config), "consumer");
    const std::string filter = settings_.subject + "." + WordOfTask(lane.task);
    config.Durable = name.c_str();
    config.FilterSubject = filter.c_str();
    config.AckPolicy = js_AckExplicit;
    config.AckWait = settings_.lease.count() * kNanoseconds;
    config.MaxDeliver = -1;  // The daemon decides when it is enough.
    config.MaxAckPending = -1;
    status =
        js_AddConsumer(&info, link_.stream(), settings_.stream.c_str(), &config, nullptr, &code);
  }
  const std::unique_ptr<jsConsumerInfo, DestroyConsumerInfo> owner(info);
  link_.Check(status, ("consumer " + name).c_str());
  lane.lease = Duration{info->Config->AckWait / kNanoseconds};
}

std::string NatsQueue::Put(const Enqueue& job) {
  if (!link_.open()) throw ConnectionLost("nats: not connected");
  if (job.task.empty()) throw Rejected("a job needs the name of a task");
  if (job.foreground) throw Rejected("nats has no results here: nobody can wait for this job");
  if (!job.unique.empty()) throw Rejected("nats has no unique keys");
  if (job.priority != Priority::kNormal) throw Rejected("nats has no priorities");
  if (job.delay > Duration{0}) throw Rejected("nats cannot delay a new job");
  if (job.max_attempts > 0) throw Rejected("nats does not keep max_attempts");
  const std::string subject = settings_.subject + "." + WordOfTask(job.task);
  jsPubAck* ack = nullptr;
  jsErrCode code{};
  const natsStatus status = js_Publish(&ack, link_.stream(), subject.c_str(), job.payload.data(),
                                       static_cast<int>(job.payload.size()), nullptr, &code);
  const std::unique_ptr<jsPubAck, DestroyAck> owner(ack);
  if (status == NATS_MAX_PAYLOAD) throw Rejected("the job is larger than the server takes");
  if (code != 0) throw Rejected("nats refused the job: error " + std::to_string(code));
  link_.Check(status, "publish");
  return std::to_string(ack->Sequence);
}

}  // namespace workmand::nats

WORKMAN_QUEUE_DRIVER("nats", workmand::nats::NatsCaps, workmand::nats::CheckNatsOptions,
                     workmand::nats::OpenNats)
