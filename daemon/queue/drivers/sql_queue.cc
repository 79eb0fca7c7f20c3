#include "daemon/queue/drivers/sql_queue.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/queue/drivers/sql_queue_with.h"
#include "daemon/queue/drivers/sql_schema.h"

namespace workmand::sql {
namespace {

constexpr Duration kTickInterval{30'000};
/// Jobs that were fetched and that nobody wants go back after this.
constexpr Duration kSpareFor{1'000};
/// How often answers are looked for, where the server tells of them; and at first, where not.
constexpr Duration kAnswersPause{1'000};
constexpr Duration kFirstAnswersPause{50};

std::optional<std::int64_t> ParseId(std::string_view text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

}  // namespace

SqlQueue::SqlQueue(QueueSettings settings, Role role)
    : settings_(std::move(settings)),
      role_(role),
      look_(*settings_.sql, settings_.caps.Has(Cap::kWait), settings_.interval) {}

void SqlQueue::FinishPending() {
  if (pending_ == Pending::kLook) FinishLook();
  if (pending_ == Pending::kAnswers) FinishAnswers();
}

void SqlQueue::Connect() {
  Disconnect();
  session_ = settings_.connect();
  listens_ = false;
  answers_due_ = true;
  With([&](Session& session) {
    EnsureTables(session, sql(), settings_.driver);
    if (answers_.Waits()) Listen(true);
    if (role_ == Role::kProducer) return;
    const std::int64_t freed = FreeDeadHolders(session, sql());
    if (freed > 0) log::Info("jobs of a dead daemon are back on the queue", {{"jobs", freed}});
    const std::int64_t before = holder_;
    holder_ = RegisterHolder(session, sql(), holder_);
    if (before == holder_) {
      // Jobs whose fetch was answered into a connection that had just died.
      std::vector<std::int64_t> known;
      for (const auto& [token, watched] : held_) known.push_back(token);
      session.RunOne(sql().FreeUnknown(holder_, known));
    }
    if (settings_.caps.Has(Cap::kWait)) session.Execute("LISTEN " + sql().stem());
    look_.LookAt(Clock::now());
  });
}

void SqlQueue::Disconnect() noexcept {
  if (session_ != nullptr) {
    try {
      With([&](Session&) { FinishPending(); });
    } catch (const std::exception&) {
      // The session was lost, or is now: what it held comes back by its lease.
    }
    GiveBackSpare();
  }
  session_.reset();
  pending_ = Pending::kNothing;
  // What could not be given back is freed at the next connect, as nobody here knows it.
  for (const Job& job : spare_) held_.erase(NumberOf(job.token));
  spare_.clear();
}

void SqlQueue::RegisterTasks(std::span<const Subscription> tasks) {
  if (pending_ == Pending::kLook) With([&](Session&) { FinishLook(); });
  GiveBackSpare();
  look_.Subscribe(tasks);
}

std::vector<std::int64_t> SqlQueue::Insert(std::span<const Enqueue* const> jobs) {
  std::vector<Statement> statements;
  std::vector<std::int64_t> ids;
  for (const Enqueue* job : jobs) statements.push_back(sql().Insert(*job, job->foreground ? 1 : 0));
  With([&](Session& session) {
    FinishPending();
    const bool foreground =
        std::any_of(jobs.begin(), jobs.end(), [](const Enqueue* job) { return job->foreground; });
    if (foreground) Listen(true);
    const std::vector<Rows> rows = Retrying([&] { return session.Run(statements); });
    for (const Rows& row : rows) ids.push_back(sql().InsertedId(row));
    std::vector<Statement> twice;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!jobs[i]->foreground) continue;
      // This instance waits for the job already, by its unique key, and will collect once.
      if (answers_.Awaits(ids[i])) twice.push_back(sql().OneWaiterLess(ids[i]));
      answers_.Expect(ids[i]);
    }
    answers_due_ = true;
    if (!twice.empty()) session.Run(twice);
  });
  return ids;
}

std::string SqlQueue::Put(const Enqueue& job) {
  if (const std::string_view why = WhyRefused(job); !why.empty()) throw Rejected(std::string(why));
  const Enqueue* one = &job;
  return std::to_string(Insert({&one, 1}).front());
}

void SqlQueue::PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
                       std::vector<std::string>& why) {
  ids.assign(jobs.size(), {});
  why.assign(jobs.size(), {});
  constexpr std::size_t kRound = 256;
  for (std::size_t begin = 0; begin < jobs.size(); begin += kRound) {
    std::vector<std::size_t> places;
    std::vector<const Enqueue*> good;
    for (std::size_t i = begin; i < std::min(jobs.size(), begin + kRound); ++i) {
      why[i] = WhyRefused(jobs[i]);
      if (!why[i].empty()) continue;
      places.push_back(i);
      good.push_back(&jobs[i]);
    }
    if (good.empty()) continue;
    try {
      const std::vector<std::int64_t> numbers = Insert(good);
      for (std::size_t k = 0; k < places.size(); ++k) ids[places[k]] = std::to_string(numbers[k]);
    } catch (const Refused&) {
      // One of them is to blame.
      for (const std::size_t place : places) {
        try {
          ids[place] = Put(jobs[place]);
        } catch (const Rejected& rejected) {
          why[place] = rejected.what();
        }
      }
    }
  }
}

void SqlQueue::Listen(bool on) {
  if (!settings_.caps.Has(Cap::kWait) || listens_ == on) return;
  session_->Execute((on ? "LISTEN " : "UNLISTEN ") + sql().stem() + "_answers");
  listens_ = on;
}

bool SqlQueue::LookForAnswers(TimePoint deadline, const Waker& waker) {
  if (pending_ == Pending::kNothing) {
    const Statement look = sql().AnswersFor(answers_.Jobs());
    session_->Send({&look, 1}, Frame::kWhole);
    pending_ = Pending::kAnswers;
  }
  if (!session_->Await(Until(Clock::now(), deadline), waker)) return false;
  FinishAnswers();
  return true;
}

void SqlQueue::FinishAnswers() {
  const std::vector<Rows> rows = session_->Receive();
  pending_ = Pending::kNothing;
  answers_due_ = false;
  const std::vector<std::int64_t> ended = answers_.Read(rows.front());
  if (ended.empty()) return;
  std::vector<Statement> statements;
  sql().Collected(ended, statements);
  Retrying([&] { return session_->Run(statements); });
}

void SqlQueue::Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) {
  const TimePoint deadline = After(Clock::now(), timeout);
  With([&](Session& session) {
    const bool wakes = settings_.caps.Has(Cap::kWait);
    Duration pause = wakes ? kAnswersPause : kFirstAnswersPause;
    while (!answers_.HasNews()) {
      if (!answers_.Waits()) {
        FinishPending();
        Listen(false);
        (void)waker.Wait(-1, 0, Until(Clock::now(), deadline));
        return;
      }
      if (answers_due_ || pending_ != Pending::kNothing) {
        if (!LookForAnswers(deadline, waker)) return;
        continue;
      }
      const Duration left = Until(Clock::now(), deadline);
      if (left == Duration{0}) return;
      const auto news = session.WaitForNews(std::min(left, pause), waker);
      if (news == Session::News::kWoken) return;
      for (const auto& [channel, text] : session.TakeNotices()) {
        answers_due_ = answers_due_ || answers_.Awaits(ParseId(text).value_or(0));
      }
      if (news != Session::News::kNone) continue;
      answers_due_ = true;
      pause = std::min(pause * 2, std::max(settings_.interval, kFirstAnswersPause));
    }
  });
  answers_.TakeReplies(out);
}

void SqlQueue::TakeProgress(std::vector<ProgressNote>& out) {
  answers_.TakeNotes(out);
}

Duration SqlQueue::Tick() {
  With([&](Session&) { FinishPending(); });
  if (role_ == Role::kProducer) return kTickInterval;
  if (Clock::now() >= After(spare_since_, kSpareFor)) GiveBackSpare();
  With([&](Session& session) {
    FreeDeadHolders(session, sql());
    std::vector<Statement> statements;
    if (auto relax = sql().Relax()) statements.push_back(std::move(*relax));
    sql().Sweep(settings_.dead_letter_retention, statements);
    statements.push_back(sql().FreeExpired());
    statements.push_back(sql().TouchHolder(holder_));
    Retrying([&] { return session.Run(statements); });
    look_.LookAt(std::min(look_.due(), Clock::now()));
  });
  return std::min(kTickInterval, std::max(settings_.lease_time / 2, Duration{100}));
}

std::optional<std::uint64_t> SqlQueue::Size(std::string_view task) {
  return With([&](Session& session) {
    FinishPending();
    return static_cast<std::uint64_t>(session.RunOne(sql().Count(task)).Int(0, 0));
  });
}

std::optional<std::int64_t> SqlQueue::OldestMs() {
  return With([&](Session& session) -> std::optional<std::int64_t> {
    FinishPending();
    const Rows rows = session.RunOne(sql().OldestAge());
    if (rows.size() == 0) return std::nullopt;
    return std::max<std::int64_t>(0, rows.Int(0, 0));
  });
}

std::vector<DeadLetter> SqlQueue::DeadLetters(std::size_t limit) {
  return With([&](Session& session) {
    FinishPending();
    const Rows rows = session.RunOne(sql().ListDead(limit));
    std::vector<DeadLetter> letters(rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
      DeadLetter& letter = letters[row];
      letter.id = rows.Bytes(row, 0);
      letter.task = rows.Bytes(row, 1);
      letter.attempts = static_cast<int>(rows.Int(row, 2));
      letter.deliveries = static_cast<int>(rows.Int(row, 3));
      letter.failed_at_ms = rows.Int(row, 4);
      letter.error = rows.Bytes(row, 5);
      letter.payload = rows.Bytes(row, 6);
    }
    return letters;
  });
}

bool SqlQueue::RetryDead(std::string_view id) {
  const auto number = ParseId(id);
  if (!number) return false;
  std::vector<Statement> statements;
  sql().RetryDead(*number, statements);
  return With([&](Session& session) {
    FinishPending();
    try {
      return Retrying([&] { return session.Run(statements); }).back().changed > 0;
    } catch (const Refused&) {
      throw Rejected("job " + std::string(id) +
                     " cannot be retried: another job with its unique key is on the queue");
    }
  });
}

bool SqlQueue::DropDead(std::string_view id) {
  const auto number = ParseId(id);
  if (!number) return false;
  return With([&](Session& session) {
    FinishPending();
    return session.RunOne(sql().DropDead(*number)).changed > 0;
  });
}

}  // namespace workmand::sql
