// The driver `beanstalkd`: what needs no hold. The work is in beanstalkd_work.cc and
// beanstalkd_settle.cc; docs/queues/beanstalkd.md tells other programs what they find there.
#include <algorithm>
#include <array>
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/beanstalkd_queue.h"

namespace workmand::beanstalkd {
namespace {

constexpr std::uint16_t kDefaultPort = 11300;
constexpr std::string_view kUrlKey = "url";
constexpr std::string_view kDefaultUrl = "beanstalk://127.0.0.1:11300";
constexpr std::string_view kTubesKey = "tubes";
constexpr auto kKeys = std::to_array<std::string_view>({kUrlKey, kTubesKey});
/// Puts that are on their way at once.
constexpr std::size_t kPipeline = 256;

Result<HostPort> ParseAddress(std::string_view text) {
  const auto url = ParseQueueUrl(text);
  if (!url) return tl::unexpected(url.error());
  if (url->scheme != "beanstalk" && url->scheme != "beanstalkd") {
    return Fail(ErrorCode::kInvalid, "must begin with beanstalk:// (got " + url->scheme + "://)");
  }
  if (!url->user.empty() || !url->password.empty()) {
    return Fail(ErrorCode::kInvalid,
                "must not hold a user or a password: beanstalkd knows neither");
  }
  if (!url->path.empty() && url->path != "/") {
    return Fail(ErrorCode::kInvalid, "must end after the server: tubes have a key of their own");
  }
  if (url->hosts.size() > 1) return Fail(ErrorCode::kInvalid, "must name one server");
  return ParseHostPort(url->hosts.empty() ? "127.0.0.1" : url->hosts.front(), kDefaultPort);
}

/// A profile's name as a tube: what a tube cannot have becomes "_".
std::string TubeOfProfile(std::string name) {
  for (char& c : name) {
    if (!WhyNoTube(std::string("a") + c).empty()) c = '_';
  }
  if (name.empty() || name.front() == '-') name.insert(0, "_");
  return name.substr(0, 100);
}

std::vector<QueueKeyError> CheckBeanstalkdOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  const auto url = GetString(options, kUrlKey, kDefaultUrl);
  CheckValue(kUrlKey, url, errors);
  if (url) CheckValue(kUrlKey, ParseAddress(*url), errors);
  const auto tubes = GetList(options, kTubesKey);
  CheckValue(kTubesKey, tubes, errors);
  if (!tubes || !HasKey(options, kTubesKey)) return errors;
  if (tubes->empty()) errors.push_back({std::string(kTubesKey), "must name a tube"});
  for (const std::string& tube : *tubes) {
    std::string why = WhyNoTube(tube);
    if (!why.empty()) errors.push_back({std::string(kTubesKey), std::move(why)});
  }
  return errors;
}

Result<std::unique_ptr<Queue>> OpenBeanstalkd(const DriverConfig& config, Role /*role*/) {
  const auto errors = CheckBeanstalkdOptions(config.options);
  if (!errors.empty()) {
    return Fail(ErrorCode::kInvalid, errors.front().key + ": " + errors.front().sentence);
  }
  Settings settings;
  settings.server = *ParseAddress(*GetString(config.options, kUrlKey, kDefaultUrl));
  settings.tubes = *GetList(config.options, kTubesKey);
  if (settings.tubes.empty()) settings.tubes = {TubeOfProfile(config.profile_name)};
  settings.lease = config.lease_time;
  settings.dead_letter_retention = config.dead_letter_retention;
  return std::make_unique<BeanstalkdQueue>(std::move(settings));
}

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= 20 &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Whole seconds, never early.
std::string Seconds(Duration length) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(length).count());
}

}  // namespace

Caps BeanstalkdCaps() {
  Caps caps;
  caps.bits = Cap::kWait | Cap::kPriority | Cap::kDelay | Cap::kAttempts | Cap::kMaxAttempts |
              Cap::kRetryDelay | Cap::kAbortDelay | Cap::kDeadLetter | Cap::kInstantRequeue |
              Cap::kOrdered | Cap::kCount | Cap::kConfirmedAck | Cap::kAtLeastOnce |
              Cap::kUncountedAbort;
  caps.time_step = Duration{1'000};
  return caps;
}

void BeanstalkdQueue::Connect() {
  Disconnect();
  desk_.Open(settings_.server);
  // Another program may listen there, or a server that is about to end.
  const Answer answer = desk_.Ask("list-tube-used");
  if (!answer.Is("USING")) {
    desk_.Close();
    throw ConnectionLost("what answers there is no beanstalkd: " + answer.line);
  }
}

void BeanstalkdQueue::Disconnect() noexcept {
  desk_.Close();
  waiter_ = nullptr;
  lanes_.clear();
  raw_.clear();
  holds_.clear();
  next_touch_ = kNever;
}

void BeanstalkdQueue::SendPut(const std::string& tube, const Enqueue& job) {
  // Answered before the put that it is for: ReadPut takes both.
  desk_.Send("use " + tube);
  Past past;
  past.priority = job.priority;
  desk_.SendWithBody("put " + std::to_string(ToNumber(past)) + " " + Seconds(job.delay) + " " +
                         Seconds(std::max(settings_.lease, Duration{2'000})),
                     MakeBody(job));
}

std::string BeanstalkdQueue::ReadPut(std::string& why) {
  const Answer used = desk_.Await();
  const Answer put = desk_.Await();
  if (put.Is("INSERTED") && used.Is("USING")) return std::string(put.Argument());
  if (put.Is("BURIED")) {
    // The server had no memory for the queue; what it kept all the same must not come to light.
    (void)desk_.Ask("delete " + std::string(put.Argument()));
    why = "beanstalkd is out of memory";
  } else if (put.Is("JOB_TOO_BIG")) {
    why = "the job is larger than beanstalkd takes (its option -z)";
  } else if (put.Is("DRAINING")) {
    why = "beanstalkd takes no new jobs: it drains";
  } else {
    why = "beanstalkd refused the job: " + put.line;
  }
  return {};
}

std::string BeanstalkdQueue::Put(const Enqueue& job) {
  std::vector<std::string> ids;
  std::vector<std::string> why;
  PutMany({&job, 1}, ids, why);
  if (!why.front().empty()) throw Rejected(why.front());
  return ids.front();
}

void BeanstalkdQueue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                              std::vector<std::string>& why) {
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  for (std::size_t start = 0; start < jobs.size(); start += kPipeline) {
    const std::size_t end = std::min(start + kPipeline, jobs.size());
    for (std::size_t i = start; i < end; ++i) {
      const Enqueue& job = jobs[i];
      if (job.task.empty()) why[i] = "a job needs the name of a task";
      if (job.foreground) why[i] = "beanstalkd has no results: nobody can wait for this job";
      if (!job.unique.empty()) why[i] = "beanstalkd has no unique keys";
      if (why[i].empty()) SendPut(TubeOfTask(stem(), job.task), job);
    }
    // ReadPut may ask for more, so the refused ones are known before it is called.
    std::vector<std::size_t> sent;
    for (std::size_t i = start; i < end; ++i) {
      if (why[i].empty()) sent.push_back(i);
    }
    for (const std::size_t i : sent) ids[i] = ReadPut(why[i]);
  }
}

std::optional<std::uint64_t> BeanstalkdQueue::Size(std::string_view task) {
  std::vector<std::string> tubes;
  if (!task.empty()) {
    tubes.push_back(TubeOfTask(stem(), task));
  } else {
    tubes = settings_.tubes;
    const Answer list = desk_.Ask("list-tubes");
    std::string_view rest = list.body;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (!line.starts_with("- ")) continue;
      std::string tube(line.substr(2));
      if (tube.starts_with(stem() + "/") && !tube.starts_with(TubeOfNotes(stem()))) {
        tubes.push_back(std::move(tube));
      }
    }
  }
  std::uint64_t sum = 0;
  for (const std::string& tube : tubes) {
    const Answer answer = desk_.Ask("stats-tube " + tube);
    sum += Number(Statistic(answer.body, "current-jobs-ready"));
    sum += Number(Statistic(answer.body, "current-jobs-delayed"));
  }
  return sum;
}

bool BeanstalkdQueue::IsBuried(std::string_view id, Answer& answer) {
  if (!IsId(id)) return false;
  answer = desk_.Ask("stats-job " + std::string(id));
  return answer.Is("OK") && Statistic(answer.body, "state") == "buried";
}

std::vector<DeadLetter> BeanstalkdQueue::DeadLetters(std::size_t limit) {
  // A tube cannot be read, only reserved from; all comes back when the connection is closed.
  Link reader;
  reader.Open(settings_.server);
  (void)reader.Ask("watch " + TubeOfNotes(stem()));
  (void)reader.Ask("ignore default");
  std::vector<DeadLetter> letters;
  std::set<std::string> seen;
  while (letters.size() < limit) {
    const Answer note = reader.Ask("reserve-with-timeout 0");
    if (!note.Is("RESERVED")) break;
    std::uint64_t reserves = 0;
    DeadLetter letter = ReadNote(note.body, reserves);
    Answer statistics;
    const bool holds = IsBuried(letter.id, statistics) &&
                       Statistic(statistics.body, "reserves") == std::to_string(reserves);
    if (!holds || !seen.insert(letter.id).second) {
      // Kicked or deleted since, by whomever; or the job died once more.
      (void)reader.Ask("delete " + std::string(note.Argument()));
      continue;
    }
    const Answer found = desk_.Ask("peek " + letter.id);
    if (!found.Is("FOUND")) continue;
    Job job;
    ReadBody(found.body, stem(), Statistic(statistics.body, "tube"), job);
    letter.task = job.task;
    letter.payload = job.payload;
    letters.push_back(std::move(letter));
  }
  return letters;
}

bool BeanstalkdQueue::RetryDead(std::string_view id) {
  Answer statistics;
  if (!IsBuried(id, statistics)) return false;
  return desk_.Ask("kick-job " + std::string(id)).Is("KICKED");
}

bool BeanstalkdQueue::DropDead(std::string_view id) {
  Answer statistics;
  if (!IsBuried(id, statistics)) return false;
  return desk_.Ask("delete " + std::string(id)).Is("DELETED");
}

}  // namespace workmand::beanstalkd

WORKMAN_QUEUE_DRIVER("beanstalkd", workmand::beanstalkd::BeanstalkdCaps,
                     workmand::beanstalkd::CheckBeanstalkdOptions,
                     workmand::beanstalkd::OpenBeanstalkd)
