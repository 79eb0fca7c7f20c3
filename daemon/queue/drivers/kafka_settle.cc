// The driver `kafka`: how jobs end.
#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/kafka_queue.h"

namespace workmand::kafka {

void KafkaQueue::AddSend(Round& round, std::size_t index, const std::string& topic, Record record) {
  const Record& kept = round.records.emplace_back(std::move(record));
  Outgoing& out = round.sends.emplace_back();
  out.topic = topic;
  out.record = &kept;
  if (topic == settings_.DeadTopic()) out.key = kept.job.id;
  round.of.push_back(index);
}

void KafkaQueue::TellRefused(const Outgoing& out) {
  log::Err("kafka refused a record", {{"topic", out.topic},
                                      {"task", out.record->job.task},
                                      {"error", rd_kafka_err2str(out.error)}});
}

/// A partition of the retry topic that another member reads: what is given back is for others, if
/// there are any.
std::int32_t KafkaQueue::ElsewherePartition() {
  for (int i = 0; i < retry_partitions_; ++i) {
    last_partition_ = (last_partition_ + 1) % retry_partitions_;
    if (!groups_[kRetry].Has(last_partition_)) return last_partition_;
  }
  return kAnyPartition;
}

/// What must be written before the record of a job may end.
void KafkaQueue::Prepare(std::size_t index, const Update& update, Hold& hold, Applied& answer,
                         Round& round) {
  const std::size_t before = round.sends.size();
  try {
    for (const Enqueue& job : update.enqueue) {
      if (!hold.sent) AddPut(round, index, job);
    }
  } catch (const Rejected&) {
    round.sends.resize(before);
    round.of.resize(before);
    answer = Applied::kRefused;
    return;
  }
  answer = Applied::kOk;
  round.ended.emplace_back(index, update.token);
  if (update.kind == Update::Kind::kDone || hold.sent) return;
  Record record = hold.record;
  Job& job = record.job;
  if (update.kind == Update::Kind::kFail && !update.retry) {
    // The daemon may have counted more than the record knows.
    if (update.job != nullptr) {
      job.attempt = update.job->attempt;
      job.deliveries = update.job->deliveries;
    }
    record.error = update.bytes;
    record.failed_at_ms = NowMs();
    AddSend(round, index, settings_.DeadTopic(), std::move(record));
    return;
  }
  if (update.kind == Update::Kind::kFail) ++job.attempt;
  if (!update.never_ran) ++job.deliveries;
  record.not_before_ms = update.delay > Duration{0} ? NowMs() + update.delay.count() : 0;
  AddSend(round, index, settings_.RetryTopic(), std::move(record));
  if (update.kind == Update::Kind::kAbort) round.sends.back().partition = ElsewherePartition();
}

void KafkaQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  if (updates.empty()) return;
  CheckOpen();
  const TimePoint deadline = After(Clock::now(), kPatience);
  Round round;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& update = updates[i];
    answers[i] = Applied::kUnsupported;
    if (!IsSettlement(update.kind)) continue;
    answers[i] = Applied::kLost;
    const auto found = holds_.find(update.token);
    if (found == holds_.end()) continue;
    Hold& hold = found->second;
    const auto same = std::find_if(round.ended.begin(), round.ended.end(),
                                   [&](const auto& one) { return one.second == update.token; });
    if (same != round.ended.end()) continue;
    const Group::Standing standing = groups_[hold.line].Look(hold.place, deadline);
    // What has ended by our own hand was not confirmed yet: it is tried once more.
    if (standing == Group::Standing::kOurs || (standing == Group::Standing::kEnded && hold.sent)) {
      Prepare(i, update, hold, answers[i], round);
    } else {
      Retire(update.token);
    }
  }
  producer_.Send(round.sends);
  Finish(answers, round);
}

/// Ends the records of all that was written, and tells the groups.
void KafkaQueue::Finish(std::span<Applied> answers, Round& round) {
  for (std::size_t i = 0; i < round.sends.size(); ++i) {
    const Outgoing& out = round.sends[i];
    if (out.error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    answers[round.of[i]] = Applied::kRefused;
    TellRefused(out);
  }
  std::array<std::set<std::int32_t>, kLines> refused = EndAll(answers, round);
  // The group may have lost us meanwhile, and have given us the same partitions again: what is
  // still held was not read a second time.
  const TimePoint deadline = After(Clock::now(), kPatience);
  const auto is_back = [&](const auto& one) {
    const Hold& hold = holds_.at(one.second);
    return refused[hold.line].contains(hold.place.partition) &&
           groups_[hold.line].Look(hold.place, deadline) == Group::Standing::kOurs;
  };
  if (std::any_of(round.ended.begin(), round.ended.end(), is_back)) {
    refused = EndAll(answers, round);
  }
  for (const auto& [index, token] : round.ended) {
    if (answers[index] == Applied::kRefused) continue;
    const Hold& hold = holds_.at(token);
    if (refused[hold.line].contains(hold.place.partition)) answers[index] = Applied::kLost;
    Retire(token);
  }
}

/// Returns the partitions that we do not speak for.
std::array<std::set<std::int32_t>, KafkaQueue::kLines> KafkaQueue::EndAll(
    std::span<const Applied> answers, const Round& round) {
  std::array<std::set<std::int32_t>, kLines> touched;
  for (const auto& [index, token] : round.ended) {
    if (answers[index] == Applied::kRefused) continue;
    Hold& hold = holds_.at(token);
    hold.sent = true;
    groups_[hold.line].End(hold.place);
    touched[hold.line].insert(hold.place.partition);
  }
  std::array<std::set<std::int32_t>, kLines> refused;
  for (const Line line : {kNew, kRetry}) {
    if (!touched[line].empty()) refused[line] = groups_[line].Commit(touched[line]);
  }
  return refused;
}

void KafkaQueue::Retire(Token token) {
  const auto found = holds_.find(token);
  const Line line = found->second.line;
  const Place place = found->second.place;
  holds_.erase(found);
  groups_[line].Release(place);
}

}  // namespace workmand::kafka
