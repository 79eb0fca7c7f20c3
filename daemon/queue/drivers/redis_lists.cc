#include "daemon/queue/drivers/redis_lists.h"

#include <algorithm>
#include <limits>

#include "daemon/queue/drivers/redis_scripts.h"
#include "daemon/queue/options.h"
#include "protocol/json_slicer.h"

namespace workmand::redis {
namespace {

constexpr std::string_view kQueuesKey = "queues";
constexpr std::string_view kNamespaceKey = "namespace";
constexpr const char* kDefaultQueue = "default";
/// Entries of the list of failures that are read at a time.
constexpr std::size_t kEveryGrave = 1'000'000'000;

}  // namespace

Meta MetaOf(const Hold& hold) {
  const Job& job = hold.job;
  return {job.id,         job.unique,       job.attempt - 1,
          job.deliveries, job.max_attempts, std::stoi(hold.words[2])};
}

Lists::Lists(std::string style, std::string_view stem, ListOptions options)
    : style_(std::move(style)),
      options_(std::move(options)),
      stem_(options_.root + std::string(stem)) {}

ScriptTexts Lists::Texts() const {
  const auto whole = [](const char* text) { return std::string(kPrelude) + kListPrelude + text; };
  ScriptTexts texts;
  texts[static_cast<std::size_t>(Script::kPut)] = whole(kListPut);
  texts[static_cast<std::size_t>(Script::kFetch)] = whole(kListFetch);
  texts[static_cast<std::size_t>(Script::kSettle)] = whole(kListSettle);
  texts[static_cast<std::size_t>(Script::kDone)] = kListDone;
  texts[static_cast<std::size_t>(Script::kRetry)] = whole(kListRetry);
  return texts;
}

std::string Lists::WhyRefused(const Enqueue& job) const {
  if (job.task.empty()) return "a job needs the name of a class";
  if (!workman::protocol::IsUtf8(job.task)) return "the name of a class must be UTF-8";
  if (!workman::protocol::IsUtf8(job.unique)) return "a unique key must be UTF-8 here";
  if (job.priority != Priority::kNormal) {
    return "a job has no priority here: the order of the queues in the profile is the priority";
  }
  return {};
}

void Lists::AddPut(Args& words, const Enqueue& job, const std::string& id,
                   const std::string& producer) const {
  Meta meta;
  meta.id = id;
  meta.unique = job.unique;
  meta.max = job.max_attempts;
  const std::string arguments = ToArguments(job.payload, meta.whole);
  words.insert(words.end(),
               {options_.queues.front(), WithMeta(MakeBody(job, id, arguments), meta), id, job.task,
                job.unique, std::to_string(job.delay.count()), producer});
}

void Lists::AddFetch(Args& words, const Caller& caller, const FetchOrder& order) const {
  words.insert(words.end(), {std::to_string(order.n), std::to_string(caller.lease.count()),
                             std::to_string(order.tasks.size())});
  words.insert(words.end(), order.tasks.begin(), order.tasks.end());
  const std::vector<std::string> queues = QueueNames();
  words.insert(words.end(), queues.begin(), queues.end());
}

Hold Lists::Read(const redisReply* row, std::string& broken) const {
  // handle, queue, element, class, id, somebody waits
  const auto text = [row](std::size_t i) { return std::string(Text(At(row, i))); };
  Hold hold;
  Meta meta;
  hold.extra = WithoutMeta(Text(At(row, 2)), meta);
  hold.words = {text(0), text(1), std::to_string(meta.whole)};
  Job& job = hold.job;
  job.task = text(3);
  job.id = meta.id.empty() ? text(4) : meta.id;
  job.unique = meta.unique;
  job.max_attempts = meta.max;
  job.attempt = meta.ends + 1;
  job.deliveries = meta.seen + 1;
  job.wants_result = Number(At(row, 5)) > 0;
  job.wants_progress = job.wants_result;
  broken = ReadBody(hold, meta.whole);
  return hold;
}

std::string Lists::ReadBody(Hold& hold, int whole) const {
  constexpr const char* kNoJob =
      "this is no job: it must be a JSON object with a class and an array args";
  workman::protocol::Object members;
  if (hold.job.task.empty() || !element::ReadMembers(hold.extra, members)) return kNoJob;
  const std::string_view arguments = members.Find("args");
  if (!arguments.empty() && !arguments.starts_with('[')) return kNoJob;
  hold.job.payload = ToPayload(arguments, whole);
  ReadMore(hold.extra, hold.job);
  return {};
}

bool Lists::AddSettle(Args& words, const Hold& hold, const Update& update,
                      const Caller& caller) const {
  const bool retry = update.kind == Update::Kind::kFail && update.retry;
  words.insert(words.end(),
               {hold.words[0], hold.job.task, std::string(KindWord(update)), update.bytes,
                std::to_string(update.delay.count()), update.never_ran ? "1" : "0",
                std::to_string(update.numerator), std::to_string(update.denominator),
                std::to_string(caller.result_ttl.count()), retry ? RetryBody(hold, update) : ""});
  Commands commands;
  if (update.kind == Update::Kind::kDone || update.kind == Update::Kind::kFail) {
    AddCommands(commands, hold, update, caller);
  }
  AddAll(words, commands);
  return true;
}

std::string Lists::PlaceOfDone(const Hold& hold) const {
  // All of them end in one hash.
  return hold.job.wants_result || !hold.job.unique.empty() ? std::string() : stem_;
}

void Lists::AddDone(Args& words, const Hold& hold, const Update& update,
                    const Caller& caller) const {
  words.push_back(hold.words[0]);
  Commands commands;
  AddCommands(commands, hold, update, caller);
  AddAll(words, commands);
}

void Lists::AddAll(Args& words, const Commands& commands) {
  words.push_back(std::to_string(commands.size()));
  for (const Args& command : commands) {
    words.push_back(std::to_string(command.size()));
    words.insert(words.end(), command.begin(), command.end());
  }
}

void Lists::Tick(Server& /*server*/, const Caller& /*caller*/) {}

void Lists::ReadLetter(std::string_view element, DeadLetter& letter) {
  Meta meta;
  const std::string body = WithoutMeta(element, meta);
  letter.id = meta.id;
  letter.task = MemberText(body, "class");
  letter.payload = ToPayload(MemberText(body, "args"), meta.whole);
  letter.attempts = meta.ends;
  letter.deliveries = meta.seen;
}

std::vector<Lists::Grave> Lists::Graves(Server& server, std::size_t limit) const {
  const Reply reply = server.Call(ListGraves(std::min(limit, kEveryGrave)));
  std::vector<Grave> graves;
  for (const redisReply* entry : Elements(reply.get())) graves.push_back(ReadGrave(Text(entry)));
  if (!NewestFirst()) std::reverse(graves.begin(), graves.end());
  return graves;
}

std::vector<DeadLetter> Lists::DeadLetters(Server& server, std::size_t limit) {
  std::vector<DeadLetter> letters;
  for (Grave& grave : Graves(server, limit)) letters.push_back(std::move(grave.letter));
  return letters;
}

bool Lists::Remove(Server& server, std::string_view id, bool revive) const {
  for (const Grave& grave : Graves(server, kEveryGrave)) {
    if (grave.letter.id != id) continue;
    const Reply removed =
        server.Run(Script::kRetry, {GraveKind(), GraveKey(), grave.raw, revive ? grave.queue : "",
                                    revive ? Revive(grave) : ""});
    return Number(removed.get()) > 0;
  }
  return false;
}

bool Lists::RetryDead(Server& server, std::string_view id) {
  return Remove(server, id, true);
}

bool Lists::DropDead(Server& server, std::string_view id) {
  return Remove(server, id, false);
}

void CheckListKeys(const QueueOptions& options, bool has_namespace,
                   std::vector<QueueKeyError>& errors) {
  const auto queues = GetList(options, kQueuesKey);
  CheckValue(kQueuesKey, queues, errors);
  if (queues && HasKey(options, kQueuesKey)) {
    if (queues->empty()) errors.push_back({std::string(kQueuesKey), "must name a queue"});
    for (const std::string& queue : *queues) {
      if (queue.empty() || queue == "*") {
        errors.push_back({std::string(kQueuesKey), "must be names of queues (got \"" + queue +
                                                       R"("): "*" has no order of priority)"});
      }
    }
  }
  if (!has_namespace) return;
  const auto root = GetString(options, kNamespaceKey, "x");
  CheckValue(kNamespaceKey, root, errors);
  if (root && root->empty()) errors.push_back({std::string(kNamespaceKey), "must not be empty"});
}

Result<ListOptions> ReadListOptions(const DriverConfig& config, Role role,
                                    std::string_view default_namespace) {
  ListOptions list;
  list.consumer = role == Role::kConsumer;
  if (!default_namespace.empty()) {
    const auto root = GetString(config.options, kNamespaceKey, default_namespace);
    if (!root) return tl::unexpected(root.error());
    list.root = *root + ":";
  }
  const auto queues = GetList(config.options, kQueuesKey);
  if (!queues) return tl::unexpected(queues.error());
  list.queues = *queues;
  if (list.queues.empty()) list.queues.emplace_back(kDefaultQueue);
  return list;
}

Caps ListCaps() {
  return {Cap::kWait | Cap::kForeground | Cap::kUnique | Cap::kDelay | Cap::kAttempts |
              Cap::kMaxAttempts | Cap::kRetryDelay | Cap::kAbortDelay | Cap::kHoldSurvives |
              Cap::kLease | Cap::kProgress | Cap::kPartialData | Cap::kDeadLetter | Cap::kOrdered |
              Cap::kConfirmedAck | Cap::kAtLeastOnce | Cap::kUncountedAbort,
          std::size_t{256} << 20U};
}

}  // namespace workmand::redis
