// Settling jobs, and dead letters.
#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "daemon/queue/drivers/amqp_queue.h"

namespace workmand::amqp {

Applied AmqpQueue::Tell(const Hold& hold, const Update& update) {
  if (update.kind == Update::Kind::kExtend) return Applied::kUnsupported;  // a hold has no end
  if (!hold.IsOurCaller()) return Applied::kUnsupported;
  dialect_->Tell(link_, hold, update.kind == Update::Kind::kProgress ? "progress" : "data", update);
  return Applied::kOk;
}

Applied AmqpQueue::Begin(const Update& update) {
  const auto found = held_.find(update.token.value);
  if (found == held_.end()) return Applied::kLost;
  const Hold& hold = found->second;
  if (!IsSettlement(update.kind)) return Tell(hold, update);
  const auto refused = [this](const Enqueue& job) { return !WhyNot(job).empty(); };
  if (std::any_of(update.enqueue.begin(), update.enqueue.end(), refused)) return Applied::kRefused;
  for (const Enqueue& job : update.enqueue) (void)Send(job);
  if (update.kind == Update::Kind::kDone) {
    dialect_->Tell(link_, hold, "done", update);
  } else if (update.kind == Update::Kind::kAbort) {
    const int uncounted = update.never_ran ? 1 : 0;
    SendAgain(hold, {hold.ends, hold.deliveries - uncounted, update.delay});
  } else if (update.retry) {
    SendAgain(hold, {hold.ends + 1, hold.deliveries, update.delay});
  } else {
    Bury(hold, hold.ends + 1, update.bytes);
    dialect_->Tell(link_, hold, "failed", update);
  }
  replaced_.push_back(hold.message.tag);
  held_.erase(found);
  return Applied::kOk;
}

void AmqpQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  const std::size_t wanted = std::exchange(will_dequeue_, 0);
  // What is acknowledged makes room for more: only as much as is wanted may come. What comes back
  // goes out before that, and must not come here either when nothing is wanted.
  const std::size_t most_free = Room() + updates.size();
  if (most_free > wanted) Withdraw();
  for (std::size_t i = 0; i < updates.size(); ++i) answers[i] = Begin(updates[i]);
  dialect_->Flush();
  link_.AwaitConfirms();
  Acknowledge(replaced_);
}

std::vector<DeadLetter> AmqpQueue::DeadLetters(std::size_t limit) {
  std::vector<DeadLetter> letters;
  for (const std::string& queue : settings_.queues) {
    std::deque<DeadLetter> newest;
    Hold hold;
    while (link_.Look(DeadQueueOf(queue), hold.message)) {
      dialect_->Read(hold);
      const Properties& properties = hold.message.properties;
      DeadLetter letter;
      letter.id = properties.id();
      letter.task = properties.type();
      letter.payload = std::move(hold.payload);
      letter.error = properties.Text(kErrorHeader);
      letter.attempts = static_cast<int>(properties.Number(kEndsHeader));
      letter.deliveries = static_cast<int>(properties.Number(kDeliveriesHeader));
      letter.failed_at_ms = properties.Number(kFailedAtHeader);
      newest.push_back(std::move(letter));
      hold = Hold();
      // The server has the oldest first.
      if (newest.size() > limit) newest.pop_front();
    }
    link_.CloseLook();
    std::move(newest.begin(), newest.end(), std::back_inserter(letters));
  }
  std::stable_sort(letters.begin(), letters.end(), [](const DeadLetter& a, const DeadLetter& b) {
    return a.failed_at_ms < b.failed_at_ms;
  });
  std::reverse(letters.begin(), letters.end());
  if (letters.size() > limit) letters.resize(limit);
  return letters;
}

bool AmqpQueue::FindDead(std::string_view id, Hold& found) {
  for (found.queue = 0; found.queue < settings_.queues.size(); ++found.queue) {
    while (link_.Look(DeadQueueOf(settings_.queues[found.queue]), found.message)) {
      if (found.message.properties.id() == id) return true;
    }
    link_.CloseLook();
  }
  return false;
}

bool AmqpQueue::RetryDead(std::string_view id) {
  Hold hold;
  if (!FindDead(id, hold)) return false;
  hold.id = id;
  hold.task = hold.message.properties.type();
  SendAgain(hold, {});
  link_.AwaitConfirms();
  link_.AckLooked(hold.message.tag);
  link_.CloseLook();
  return true;
}

bool AmqpQueue::DropDead(std::string_view id) {
  Hold hold;
  if (!FindDead(id, hold)) return false;
  link_.AckLooked(hold.message.tag);
  link_.CloseLook();
  return true;
}

}  // namespace workmand::amqp
