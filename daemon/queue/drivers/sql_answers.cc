#include "daemon/queue/drivers/sql_answers.h"

#include <iterator>
#include <string>
#include <utility>

#include "daemon/queue/drivers/sql_jobs.h"

namespace workmand::sql {

std::vector<std::int64_t> Answers::Jobs() const {
  std::vector<std::int64_t> jobs;
  jobs.reserve(awaited_.size());
  for (const auto& [job, seq] : awaited_) jobs.push_back(job);
  return jobs;
}

std::vector<std::int64_t> Answers::Read(const Rows& rows) {
  std::vector<std::int64_t> ended;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto found = awaited_.find(rows.Int(row, 1));
    if (found == awaited_.end() || rows.Int(row, 0) <= found->second) continue;
    found->second = rows.Int(row, 0);
    const auto kind = static_cast<AnswerKind>(rows.Int(row, 2));
    const std::string id = std::to_string(found->first);
    std::string bytes(rows.Bytes(row, 5));
    if (kind == AnswerKind::kProgress || kind == AnswerKind::kData) {
      const auto update = kind == AnswerKind::kData ? Update::Kind::kData : Update::Kind::kProgress;
      notes_.push_back({id, update, std::move(bytes), rows.Real(row, 3), rows.Real(row, 4)});
      continue;
    }
    const auto state = kind == AnswerKind::kDone ? Reply::State::kDone : Reply::State::kFailed;
    replies_.push_back({id, state, std::move(bytes)});
    ended.push_back(found->first);
    awaited_.erase(found);
  }
  return ended;
}

void Answers::TakeReplies(std::vector<Reply>& out) {
  std::move(replies_.begin(), replies_.end(), std::back_inserter(out));
  replies_.clear();
}

void Answers::TakeNotes(std::vector<ProgressNote>& out) {
  std::move(notes_.begin(), notes_.end(), std::back_inserter(out));
  notes_.clear();
}

}  // namespace workmand::sql
