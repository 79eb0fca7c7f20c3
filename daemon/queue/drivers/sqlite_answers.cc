#include "daemon/queue/drivers/sqlite_answers.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "daemon/queue/drivers/sqlite_jobs.h"
#include "daemon/queue/drivers/sqlite_schema.h"

namespace workmand::sqlite {
namespace {

constexpr const char* kLastSeq = "SELECT max(seq) FROM answers";
constexpr const char* kNews =
    "SELECT seq, job, kind, numerator, denominator, bytes FROM answers WHERE seq > ?1"
    " ORDER BY seq";
constexpr const char* kCollected = "UPDATE answers SET waiters = waiters - 1 WHERE seq = ?1";
constexpr const char* kForget =
    "DELETE FROM answers WHERE job = ?2"
    " AND (SELECT waiters FROM answers WHERE seq = ?1) <= 0";
constexpr const char* kSweep = "DELETE FROM answers WHERE expires_at <= ?1";

}  // namespace

void Answers::Announce(Database& db, std::int64_t id) {
  if (awaited_.contains(id)) return;
  AddWaiter(db, id);
  if (Waits()) return;
  Query query(db, kLastSeq);
  if (query.Next()) last_seq_ = std::max(last_seq_, query.Int(0));
}

bool Answers::Collect(Database& db, std::vector<Reply>& out) {
  std::vector<Reply> replies;
  std::vector<ProgressNote> notes;
  std::vector<Final> finals;
  std::int64_t last = last_seq_;
  for (Query query(db, kNews, last_seq_); query.Next();) {
    last = query.Int(0);
    const std::int64_t job = query.Int(1);
    if (!awaited_.contains(job)) continue;
    const auto kind = static_cast<AnswerKind>(query.Int(2));
    const std::string id = std::to_string(job);
    const std::string bytes(query.Bytes(5));
    if (kind == AnswerKind::kProgress || kind == AnswerKind::kData) {
      const auto update = kind == AnswerKind::kData ? Update::Kind::kData : Update::Kind::kProgress;
      notes.push_back({id, update, bytes, query.Real(3), query.Real(4)});
    } else {
      const auto state = kind == AnswerKind::kDone ? Reply::State::kDone : Reply::State::kFailed;
      replies.push_back({id, state, bytes});
      finals.push_back({last, job});
    }
  }
  if (!finals.empty()) MarkCollected(db, finals);
  last_seq_ = last;
  for (const Final& collected : finals) awaited_.erase(collected.job);
  std::move(replies.begin(), replies.end(), std::back_inserter(out));
  std::move(notes.begin(), notes.end(), std::back_inserter(notes_));
  return !replies.empty() || !notes.empty();
}

void Answers::MarkCollected(Database& db, const std::vector<Final>& finals) {
  // A crash of the machine that undoes this costs a row until its time is over.
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  for (const Final& collected : finals) {
    db.Run(kCollected, collected.seq);
    db.Run(kForget, collected.seq, collected.job);
  }
  transaction.Commit();
}

void Answers::TakeNotes(std::vector<ProgressNote>& out) {
  std::move(notes_.begin(), notes_.end(), std::back_inserter(out));
  notes_.clear();
}

void SweepAnswers(Database& db, WallTime now) {
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  db.Run(kSweep, now);
  transaction.Commit();
}

}  // namespace workmand::sqlite
