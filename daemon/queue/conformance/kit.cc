#include "daemon/queue/conformance/kit.h"

#include <iterator>
#include <random>
#include <utility>

#include "daemon/queue/conformance/relay.h"

namespace workmand::conformance {

void Expect(bool condition, std::string_view sentence) {
  if (!condition) throw CaseFailed(std::string(sentence));
}

void ExpectEqual(std::size_t found, std::size_t wanted, std::string_view what) {
  if (found == wanted) return;
  throw CaseFailed(std::string(what) + ": " + std::to_string(found) + ", not " +
                   std::to_string(wanted));
}

Client::Client(std::unique_ptr<Queue> queue) : queue_(std::move(queue)) {
  queue_->Connect();
}

Client::~Client() {
  queue_->Disconnect();
}

void Client::Register(std::initializer_list<std::string> tasks) {
  std::vector<Subscription> subscriptions;
  for (const std::string& task : tasks) subscriptions.push_back({task});
  queue_->RegisterTasks(subscriptions);
}

std::string Client::Put(const std::string& task, std::string payload) {
  Enqueue job;
  job.task = task;
  job.payload = std::move(payload);
  return queue_->Put(job);
}

std::vector<Job> Client::Fetch(std::size_t n, Duration timeout) {
  std::vector<Job> jobs;
  queue_->Dequeue(jobs, n, timeout, waker);
  Expect(jobs.size() <= n, "Dequeue returned more jobs than were asked for");
  return jobs;
}

std::vector<Job> Client::Take(std::size_t n) {
  std::vector<Job> all;
  const TimePoint deadline = After(Clock::now(), kPatience);
  while (all.size() < n && Clock::now() < deadline) {
    std::vector<Job> some = Fetch(n - all.size(), Until(Clock::now(), deadline));
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  ExpectEqual(all.size(), n, "jobs that came within 10 s");
  return all;
}

Job Client::TakeOne() {
  return Take(1).front();
}

void Client::ExpectNothing(std::string_view sentence) {
  Expect(Fetch(1, kSilence).empty(), sentence);
}

Applied Client::Apply(const Update& update) {
  Applied answer = Applied::kUnsupported;
  queue_->Apply({&update, 1}, {&answer, 1});
  return answer;
}

Applied Client::Settle(const Job& job, Update::Kind kind, std::string bytes) {
  return Apply(MakeUpdate(job.token, kind, std::move(bytes)));
}

void Client::Done(const Job& job, std::string bytes) {
  Expect(Settle(job, Update::Kind::kDone, std::move(bytes)) == Applied::kOk,
         "the done of a held job was not answered ok");
}

void Client::DoneAll(const std::vector<Job>& jobs) {
  for (const Job& job : jobs) Done(job);
}

Reply Client::AwaitReply() {
  std::vector<Reply> replies;
  const TimePoint deadline = After(Clock::now(), kPatience);
  while (replies.empty() && Clock::now() < deadline) {
    queue_->Collect(replies, Until(Clock::now(), deadline), waker);
  }
  ExpectEqual(replies.size(), 1, "replies that came within 10 s");
  return replies.front();
}

void Client::ExpectNoReply(std::string_view sentence) {
  std::vector<Reply> replies;
  queue_->Collect(replies, kSilence, waker);
  Expect(replies.empty(), sentence);
}

Update MakeUpdate(Token token, Update::Kind kind, std::string bytes) {
  Update update;
  update.token = token;
  update.kind = kind;
  update.bytes = std::move(bytes);
  return update;
}

std::vector<Update> MakeDones(const std::vector<Job>& jobs) {
  std::vector<Update> updates;
  updates.reserve(jobs.size());
  for (const Job& job : jobs) updates.push_back(MakeUpdate(job.token, Update::Kind::kDone));
  return updates;
}

Update MakeRetry(Token token, Duration delay) {
  Update update = MakeUpdate(token, Update::Kind::kFail, R"({"message":"try again"})");
  update.retry = true;
  update.delay = delay;
  return update;
}

Bench::Bench(const ConformanceFixture& fixture, Caps caps, int number)
    : fixture_(fixture), caps_(caps) {
  std::random_device random;
  stem_ = "contract." + std::to_string(number) + "." + std::to_string(random()) + ".";
}

std::string Bench::Task(std::string_view suffix) const {
  return stem_ + std::string(suffix);
}

std::unique_ptr<Client> Bench::Open(Role role, Duration lease) const {
  return std::make_unique<Client>(fixture_.open(role, lease));
}

std::unique_ptr<Client> Bench::Consumer(std::initializer_list<std::string> tasks,
                                        Duration lease) const {
  auto client = Open(Role::kConsumer, lease);
  client->Register(tasks);
  return client;
}

std::unique_ptr<Client> OpenThrough(const Bench& bench, const Relay& relay, Role role,
                                    Duration lease) {
  auto client = std::make_unique<Client>(bench.fixture().open_at(role, lease, relay.port()));
  if (role == Role::kConsumer) client->Register({bench.Task()});
  return client;
}

}  // namespace workmand::conformance
