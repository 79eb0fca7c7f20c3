// The driver `beanstalkd`: how jobs end.
#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "daemon/queue/drivers/beanstalkd_queue.h"

namespace workmand::beanstalkd {
namespace {

/// The longest delay that the server takes.
constexpr Duration kLongestDelay{0xFFFF'FFFFLL * 1'000};
constexpr Duration kSweepEvery{60'000};
/// At a time, so that nobody waits for the others.
constexpr int kSweptAtOnce = 100;

/// The words of a line.
std::vector<std::string> Words(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

/// Newer notes come before older ones.
std::uint32_t NotePriority(std::int64_t at_ms) {
  return 0xFFFF'FFFFU - static_cast<std::uint32_t>(at_ms / 1'000);
}

std::string Seconds(Duration length) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(length).count());
}

}  // namespace

bool BeanstalkdQueue::PutFollowUps(const Update& update) {
  std::vector<std::string> ids;
  std::vector<std::string> why;
  PutMany(update.enqueue, ids, why);
  bool all = true;
  for (const std::string& sentence : why) all = all && sentence.empty();
  if (all) return true;
  // The settlement is not made, so those that went in must not stay.
  for (const std::string& id : ids) {
    if (!id.empty()) (void)desk_.Ask("delete " + id);
  }
  return false;
}

/// Before the job is buried: a note on a job that is not is found out, a dead letter without one
/// would not be.
void BeanstalkdQueue::WriteNote(const Hold& hold, const Update& update) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t at_ms = std::chrono::duration_cast<Duration>(now).count();
  const Job& job = update.job != nullptr ? *update.job : hold.job;
  Job told = hold.job;
  told.attempt = job.attempt;
  told.deliveries = job.deliveries;
  (void)desk_.Ask("use " + TubeOfNotes(stem()));
  desk_.SendWithBody("put " + std::to_string(NotePriority(at_ms)) + " 0 60",
                     MakeNote(told, update.bytes, at_ms, hold.reserves));
  const Answer note = desk_.Await();
  if (settings_.dead_letter_retention == Duration{0}) return;
  // A job can be kicked and buried again: the number of its reserves tells this burial from others.
  (void)desk_.Ask("use " + TubeOfExpiries(stem()));
  desk_.SendWithBody(
      "put 0 " + Seconds(std::min(settings_.dead_letter_retention, kLongestDelay)) + " 60",
      hold.job.id + " " + std::to_string(hold.reserves) + " " + std::string(note.Argument()));
  (void)desk_.Await();
}

/// Several daemons may do it at once: what one has deleted, the others do not find.
void BeanstalkdQueue::SweepDead(TimePoint now) {
  next_sweep_ = After(now, std::min(settings_.dead_letter_retention, kSweepEvery));
  (void)desk_.Ask("use " + TubeOfExpiries(stem()));
  for (int i = 0; i < kSweptAtOnce; ++i) {
    const Answer due = desk_.Ask("peek-ready");
    if (!due.Is("FOUND")) return;
    const std::vector<std::string> words = Words(due.body);
    Answer statistics;
    if (words.size() == 3 && IsBuried(words[0], statistics) &&
        Statistic(statistics.body, "reserves") == words[1]) {
      (void)desk_.Ask("delete " + words[0]);
    }
    // Its note, where it still is one.
    if (words.size() == 3) (void)desk_.Ask("delete " + words[2]);
    (void)desk_.Ask("delete " + std::string(due.Argument()));
  }
  next_sweep_ = now;
}

void BeanstalkdQueue::SendSettlement(const Update& update, Hold& hold, Sent& sent) {
  const std::string& id = hold.job.id;
  Past past = hold.past;
  sent.lane = hold.lane;
  if (update.kind == Update::Kind::kDone) {
    sent.good = "DELETED";
    hold.lane->link.Send("delete " + id);
    return;
  }
  if (update.kind == Update::Kind::kFail && !update.retry) {
    // Kicked, it starts as new.
    past.ends = 0;
    past.uncounted = static_cast<int>(std::min<std::uint64_t>(hold.reserves, 255));
    sent.good = "BURIED";
    hold.lane->link.Send("bury " + id + " " + std::to_string(ToNumber(past)));
    return;
  }
  if (update.kind == Update::Kind::kFail) ++past.ends;
  if (update.never_ran) ++past.uncounted;
  sent.good = "RELEASED";
  hold.lane->link.Send("release " + id + " " + std::to_string(ToNumber(past)) + " " +
                       Seconds(update.delay));
}

void BeanstalkdQueue::Forget(Token token) {
  const auto found = holds_.find(token);
  if (found == holds_.end()) return;
  --found->second.lane->held;
  holds_.erase(found);
}

void BeanstalkdQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  if (!desk_.open()) throw ConnectionLost("beanstalkd: not connected");
  (void)TakeReserved({}, nullptr);
  std::vector<Sent> sent;
  sent.reserve(updates.size());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& update = updates[i];
    answers[i] = Applied::kUnsupported;
    if (!IsSettlement(update.kind)) continue;
    const auto found = holds_.find(update.token);
    answers[i] = Applied::kLost;
    if (found == holds_.end()) continue;
    if (!update.enqueue.empty() && !PutFollowUps(update)) {
      answers[i] = Applied::kRefused;
      continue;
    }
    if (update.kind == Update::Kind::kFail && !update.retry) WriteNote(found->second, update);
    Sent& one = sent.emplace_back();
    one.update = i;
    SendSettlement(update, found->second, one);
    Forget(update.token);
  }
  for (const Sent& one : sent) {
    const Answer answer = one.lane->link.Await();
    const bool good = answer.Is(one.good);
    // BURIED is what a release gets of a server that has no memory left for it.
    if (!good && !answer.Is("NOT_FOUND") && !answer.Is("BURIED")) {
      throw ConnectionLost("beanstalkd: an answer to a settlement that makes no sense");
    }
    answers[one.update] = good ? Applied::kOk : Applied::kLost;
  }
}

}  // namespace workmand::beanstalkd
