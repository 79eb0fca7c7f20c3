#include "daemon/queue/drivers/sql_settle.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

namespace workmand::sql {

bool IsRelaxed(const Update& update) {
  return !IsSettlement(update.kind) && update.enqueue.empty();
}

void SettlePlan::Push(Statement statement) {
  statements_.push_back(std::move(statement));
  ++count_;
}

void SettlePlan::Notify(std::string_view channel, std::int64_t id) {
  const std::string text = id == 0 ? std::string() : std::to_string(id);
  if (auto notify = sql_.Notify(channel, text)) Push(std::move(*notify));
}

void SettlePlan::Add(const Update& update) {
  const auto held = held_.find(NumberOf(update.token));
  const bool unwatched = held != held_.end() && !held->second;
  if (update.kind == Update::Kind::kDone && unwatched) {
    AddToGroup(Group::kDone, update);
  } else if (update.kind == Update::Kind::kExtend) {
    AddToGroup(Group::kExtend, update);
  } else {
    CloseGroup();
    AddAlone(update);
  }
  ++updates_;
}

void SettlePlan::AddToGroup(Group group, const Update& update) {
  const std::int64_t token = NumberOf(update.token);
  const bool again = std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end();
  if (group_ != group || again || (group == Group::kExtend && update.delay != extend_by_)) {
    CloseGroup();
  }
  group_ = group;
  extend_by_ = update.delay;
  tokens_.push_back(token);
  of_group_.push_back(updates_);
}

void SettlePlan::CloseGroup() {
  if (tokens_.empty()) return;
  Statement verb;
  if (group_ == Group::kDone) {
    verb.sql = "DELETE FROM " + sql_.table();
  } else {
    verb.sql = "UPDATE " + sql_.table() + " SET due_at = " + sql_.Now() + " + ?";
    const Duration most = std::chrono::hours(876'600);
    verb.values = {std::clamp(extend_by_, Duration{0}, most).count()};
  }
  const std::size_t first = count_;
  std::vector<Statement> added;
  sql_.OnHeld(std::move(verb), tokens_, added);
  for (Statement& statement : added) Push(std::move(statement));
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    members_.push_back({of_group_[i], tokens_[i], first});
  }
  tokens_.clear();
  of_group_.clear();
  group_ = Group::kNone;
}

void SettlePlan::AddAlone(const Update& update) {
  const Hold hold = HoldOf(update.token);
  const std::string answers = sql_.stem() + "_answers";
  Member member{updates_, 0, 0};
  switch (update.kind) {
    case Update::Kind::kDone:
      Push(sql_.Answer(hold, AnswerKind::kDone, update, ttl_));
      member.rows = count_;
      Push(sql_.Delete(hold));
      Notify(answers, hold.id);
      break;
    case Update::Kind::kFail:
      if (update.retry) {
        member.rows = count_;
        Push(sql_.PutBack(hold, update));
        Notify(sql_.stem(), 0);
        puts_back_ = true;
        break;
      }
      Push(sql_.Bury(hold, update.bytes));
      Push(sql_.Answer(hold, AnswerKind::kFailed, update, ttl_));
      member.rows = count_;
      Push(sql_.Delete(hold));
      Notify(answers, hold.id);
      break;
    case Update::Kind::kAbort:
      member.rows = count_;
      Push(sql_.PutBack(hold, update));
      Notify(sql_.stem(), 0);
      puts_back_ = true;
      break;
    case Update::Kind::kProgress:
    case Update::Kind::kData: {
      const bool data = update.kind == Update::Kind::kData;
      Push(sql_.Answer(hold, data ? AnswerKind::kData : AnswerKind::kProgress, update, ttl_));
      member.rows = count_;
      Push(sql_.IsHeld(hold));
      Notify(answers, hold.id);
      break;
    }
    case Update::Kind::kExtend: break;  // goes into a group
  }
  members_.push_back(member);
}

std::vector<Statement> SettlePlan::TakeStatements() {
  CloseGroup();
  return std::move(statements_);
}

std::vector<Applied> SettlePlan::Read(std::span<const Rows> rows) const {
  std::vector<Applied> answers(updates_, Applied::kLost);
  std::unordered_set<std::int64_t> good;
  std::size_t read = count_;
  for (const Member& member : members_) {
    const Rows& told = rows[member.rows];
    if (member.token == 0) {
      if (told.changed > 0 || told.size() > 0) answers[member.index] = Applied::kOk;
      continue;
    }
    if (read != member.rows) {
      good.clear();
      for (std::size_t row = 0; row < told.size(); ++row) good.insert(told.Int(row, 0));
      read = member.rows;
    }
    if (good.contains(member.token)) answers[member.index] = Applied::kOk;
  }
  return answers;
}

}  // namespace workmand::sql
