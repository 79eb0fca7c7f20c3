#include "daemon/queue/ledger.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/log.h"
#include "daemon/queue/ledger_file.h"
#include "daemon/queue/ledger_marks.h"

namespace workmand {
namespace {

constexpr Duration kSweepEvery = std::chrono::hours(1);
/// After the machine went down with a daemon, marks go to the disk for so long: a job that takes
/// the machine down comes again soon, or was not the cause.
constexpr Duration kCareful = std::chrono::hours(1);

/// A note of core's that a job ended badly and is kept for another try: see Update::job.
bool IsNote(const Update& update) {
  return update.kind == Update::Kind::kExtend && update.job != nullptr;
}

class LedgeredQueue final : public Queue {
 public:
  LedgeredQueue(std::unique_ptr<Queue> inner, LedgerOptions options)
      : inner_(std::move(inner)), options_(std::move(options)), caps_(inner_->GetCaps()) {
    counts_attempts_ = options_.counts && !caps_.Has(Cap::kAttempts);
    keeps_letters_ = !caps_.Has(Cap::kDeadLetter);
  }

  [[nodiscard]] Caps GetCaps() const override {
    Caps caps = caps_;
    caps.bits = caps.bits | Cap::kDeadLetter;
    return caps;
  }

  void Connect() override {
    if (options_.counts && file_ == nullptr) Open();
    inner_->Connect();
    connected_ = true;
  }
  void Disconnect() noexcept override {
    connected_ = false;
    inner_->Disconnect();
    if (caps_.Has(Cap::kHoldSurvives)) return;
    for (const auto& [token, held] : held_) marks_.Clear(held.mark);
    held_.clear();
  }

  void RegisterTasks(std::span<const Subscription> tasks) override { inner_->RegisterTasks(tasks); }
  std::string Put(const Enqueue& job) override { return inner_->Put(job); }
  void PutMany(std::span<const Enqueue> jobs, std::vector<std::string>& ids,
               std::vector<std::string>& why) override {
    inner_->PutMany(jobs, ids, why);
  }
  void Collect(std::vector<Reply>& out, Duration timeout, const Waker& waker) override {
    inner_->Collect(out, timeout, waker);
  }
  void TakeProgress(std::vector<ProgressNote>& out) override { inner_->TakeProgress(out); }
  std::optional<std::uint64_t> Size(std::string_view task) override { return inner_->Size(task); }
  std::optional<std::int64_t> OldestMs() override { return inner_->OldestMs(); }

  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  [[nodiscard]] TimePoint TickDue() const override { return inner_->TickDue(); }
  std::vector<DeadLetter> DeadLetters(std::size_t limit) override;
  bool RetryDead(std::string_view id) override;
  bool DropDead(std::string_view id) override;

 private:
  struct Held {
    LedgerKey key;
    LedgerCounts counts;  ///< the present delivery included
    std::uint32_t mark = LedgerMarks::kNone;
    bool buried = false;  ///< its dead letter is written
  };

  void Open();
  void OpenFiles();
  void CountLeft();
  void Remember(Job& job);
  void Note(const Update& update);
  void WriteBefore(std::span<const Update> updates);
  void PutBack(Held& held, const Update& update);
  void Bury(Held& held, const Update& update);
  void Settle(const Update& update, Applied answer);
  void FlushRows();
  /// The file for `workman failed`; null when there is none yet.
  LedgerFile* Letters();

  std::unique_ptr<Queue> inner_;
  LedgerOptions options_;
  Caps caps_;
  bool counts_attempts_ = false;
  bool keeps_letters_ = false;
  bool connected_ = false;
  bool complained_ = false;
  std::unique_ptr<LedgerFile> file_;
  LedgerMarks marks_;
  TimePoint careful_until_{};
  TimePoint next_sweep_{};
  std::unordered_map<LedgerKey, LedgerCounts> rows_;  ///< as in the file
  std::unordered_map<Token, Held> held_;
  std::vector<LedgerFile::CountsEntry> to_write_;
  std::vector<LedgerKey> to_drop_;
};

void LedgeredQueue::Open() {
  try {
    OpenFiles();
    complained_ = false;
  } catch (const std::exception& error) {
    file_.reset();
    if (!std::exchange(complained_, true)) {
      log::Err("ledger unavailable",
               {{"error", error.what()},
                {"why", "attempts are not kept over a restart, nor dead letters at all"}});
    }
  }
}

void LedgeredQueue::OpenFiles() {
  auto file = std::make_unique<LedgerFile>(options_.path + ".ledger.db");
  if (counts_attempts_) {
    rows_ = file->ReadCounts();
    if (!marks_.is_open()) {
      const auto opened = marks_.Open(options_.path + ".held", options_.boot);
      if (!opened) throw ConnectionLost(opened.error().message);
      if (marks_.machine_died()) careful_until_ = After(Clock::now(), kCareful);
    }
  }
  file_ = std::move(file);
  CountLeft();
}

/// What the last daemon had in hand when it died was delivered, and nobody could say so.
void LedgeredQueue::CountLeft() {
  if (marks_.left().empty()) return;
  for (const LedgerKey& key : marks_.left()) {
    LedgerCounts& counts = rows_[key];
    ++counts.deliveries;
    to_write_.push_back({key, counts, {}, {}});
  }
  const std::size_t jobs = to_write_.size();
  file_->WriteCounts(std::exchange(to_write_, {}), options_.clock());
  marks_.Forget();
  log::Info("jobs of a dead daemon counted", {{"jobs", jobs}});
}

void LedgeredQueue::Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout,
                            const Waker& waker) {
  const std::size_t before = out.size();
  inner_->Dequeue(out, n, timeout, waker);
  if (!counts_attempts_ || file_ == nullptr || out.size() == before) return;
  for (std::size_t i = before; i < out.size(); ++i) Remember(out[i]);
  if (careful_until_ != TimePoint{} && careful_until_ > Clock::now()) marks_.Sync();
}

void LedgeredQueue::Remember(Job& job) {
  Held held;
  held.key = KeyOf(job);
  if (!rows_.empty()) {
    if (const auto row = rows_.find(held.key); row != rows_.end()) {
      // What travels with the job may know of ends on other machines.
      job.attempt = std::max(job.attempt, row->second.attempts + 1);
      job.deliveries = std::max(job.deliveries, row->second.deliveries + 1);
    }
  }
  held.counts = {job.attempt - 1, job.deliveries};
  held.mark = marks_.Set(held.key);
  held_.insert_or_assign(job.token, held);
}

void LedgeredQueue::Apply(std::span<const Update> updates, std::span<Applied> answers) {
  WriteBefore(updates);
  // What only the ledger understands does not go on to the driver.
  for (std::size_t i = 0; i < updates.size();) {
    std::size_t end = i;
    while (end < updates.size() && !IsNote(updates[end])) ++end;
    if (end > i) inner_->Apply(updates.subspan(i, end - i), answers.subspan(i, end - i));
    for (; i < end; ++i) Settle(updates[i], answers[i]);
    if (end < updates.size()) answers[i++] = Applied::kOk;
  }
  FlushRows();
}

/// Before the driver hears of it: should we die in between, a job is counted once too often, or is
/// a dead letter and comes again, but is never forgotten.
void LedgeredQueue::WriteBefore(std::span<const Update> updates) {
  if (file_ == nullptr) return;
  for (const Update& update : updates) {
    if (update.kind != Update::Kind::kFail && update.kind != Update::Kind::kAbort &&
        !IsNote(update)) {
      continue;
    }
    const auto found = held_.find(update.token);
    Held stranger;  // from before the ledger could be opened, or of a driver that counts
    Held& held = found == held_.end() ? stranger : found->second;
    if (update.kind == Update::Kind::kFail && !update.retry) {
      Bury(held, update);
    } else if (found != held_.end()) {
      PutBack(held, update);
    }
  }
  FlushRows();
}

/// The job comes again: from this daemon's hand, or from the broker.
void LedgeredQueue::PutBack(Held& held, const Update& update) {
  LedgerCounts counts = held.counts;
  if (update.job != nullptr) {
    counts.attempts = update.job->attempt - 1;
  } else if (update.kind == Update::Kind::kFail) {
    ++counts.attempts;
  }
  if (IsNote(update)) {
    held.counts = {counts.attempts, update.job->deliveries};
    counts.deliveries = update.job->deliveries - 1;
  } else if (update.never_ran) {
    --counts.deliveries;
  }
  const auto row = rows_.find(held.key);
  if (row == rows_.end() && counts.empty()) return;
  if (row != rows_.end() && row->second.attempts == counts.attempts &&
      row->second.deliveries == counts.deliveries) {
    return;
  }
  rows_[held.key] = counts;
  LedgerFile::CountsEntry entry{held.key, counts, {}, {}};
  if (update.job != nullptr) {
    entry.job = update.job->id;
    entry.task = update.job->task;
  }
  to_write_.push_back(entry);
}

void LedgeredQueue::Bury(Held& held, const Update& update) {
  if (!keeps_letters_ || update.job == nullptr || held.buried) return;
  try {
    (void)file_->Bury(*update.job, update.bytes, options_.clock());
    held.buried = true;
  } catch (const std::exception& error) {
    log::Err("dead letter not kept",
             {{"job", update.job->id}, {"task", update.job->task}, {"error", error.what()}});
  }
}

void LedgeredQueue::Settle(const Update& update, Applied answer) {
  if (!IsSettlement(update.kind) || answer == Applied::kRefused) return;
  const auto found = held_.find(update.token);
  if (found == held_.end()) return;
  const bool gone =
      update.kind == Update::Kind::kDone || (update.kind == Update::Kind::kFail && !update.retry);
  // A settlement that was lost leaves the job to come again, with what it has behind it.
  if (gone && answer == Applied::kOk && !rows_.empty() && rows_.erase(found->second.key) > 0) {
    to_drop_.push_back(found->second.key);
  }
  marks_.Clear(found->second.mark);
  held_.erase(found);
}

void LedgeredQueue::FlushRows() {
  if (to_write_.empty() && to_drop_.empty()) return;
  try {
    if (file_ != nullptr) file_->WriteCounts(to_write_, options_.clock());
    if (file_ != nullptr) file_->DropCounts(to_drop_);
  } catch (const std::exception& error) {
    log::Err("ledger not written", {{"error", error.what()}});
  }
  to_write_.clear();
  to_drop_.clear();
}

Duration LedgeredQueue::Tick() {
  const Duration next = inner_->Tick();
  if (!options_.counts || Clock::now() < next_sweep_) return next;
  if (file_ == nullptr) Open();
  if (file_ == nullptr) return next;
  next_sweep_ = After(Clock::now(), kSweepEvery);
  try {
    file_->Sweep(options_.clock(), options_.retention);
  } catch (const std::exception& error) {
    log::Err("ledger not written", {{"error", error.what()}});
  }
  return next;
}

LedgerFile* LedgeredQueue::Letters() {
  std::error_code ignored;
  if (file_ == nullptr && std::filesystem::exists(options_.path + ".ledger.db", ignored)) {
    file_ = std::make_unique<LedgerFile>(options_.path + ".ledger.db");
  }
  return file_.get();
}

std::vector<DeadLetter> LedgeredQueue::DeadLetters(std::size_t limit) {
  if (!keeps_letters_) return inner_->DeadLetters(limit);
  LedgerFile* letters = Letters();
  return letters == nullptr ? std::vector<DeadLetter>() : letters->ListDead(limit);
}

/// Put first, dropped then: it may be there twice for a moment, but is never lost.
bool LedgeredQueue::RetryDead(std::string_view id) {
  if (!keeps_letters_) return inner_->RetryDead(id);
  LedgerFile* letters = Letters();
  const std::optional<Enqueue> job = letters == nullptr ? std::nullopt : letters->FindDead(id);
  if (!job) return false;
  if (!connected_) Connect();
  (void)inner_->Put(*job);
  return letters->DropDead(id);
}

bool LedgeredQueue::DropDead(std::string_view id) {
  if (!keeps_letters_) return inner_->DropDead(id);
  LedgerFile* letters = Letters();
  return letters != nullptr && letters->DropDead(id);
}

}  // namespace

std::unique_ptr<Queue> WithLedger(std::unique_ptr<Queue> inner, LedgerOptions options) {
  const Caps caps = inner->GetCaps();
  if (caps.Has(Cap::kAttempts) && caps.Has(Cap::kDeadLetter)) return inner;
  return std::make_unique<LedgeredQueue>(std::move(inner), std::move(options));
}

}  // namespace workmand
