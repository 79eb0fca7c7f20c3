#include "daemon/core/dispatcher.h"

#include <algorithm>
#include <utility>

namespace workmand {
namespace {

/// A job held in the daemon that has not been started for so long goes back to the queue.
constexpr Duration kLongestHold{1'000};
/// `prefetch: auto` keeps about this much work in hand.
constexpr double kWorkInHandUs = 20'000;
constexpr int kMeasuresBeforePrefetch = 20;
}  // namespace

Dispatcher::Dispatcher(Workers& workers, Outbox& outbox, Random& random, QueueTraits traits,
                       MakeError make_error)
    : workers_(workers),
      outbox_(outbox),
      random_(random),
      traits_(traits),
      make_error_(std::move(make_error)) {}

void Dispatcher::SetLimits(std::shared_ptr<const Limits> limits) {
  limits_ = std::move(limits);
  has_task_limits_ =
      std::any_of(limits_->tasks.begin(), limits_->tasks.end(),
                  [](const auto& task) { return task.second.limit.value_or(0) > 0; });
}

void Dispatcher::Take(std::vector<Job>& jobs, TimePoint now) {
  for (Job& job : jobs) {
    ++counts_.taken;
    HeldJob held(std::move(job));
    const JobPolicy policy = Resolve(held.get(), *limits_, nullptr);
    if (held.get().deliveries > policy.max_attempts + limits_->max_aborts) {
      OutcomeReport report;
      report.message = "handed out too often without an outcome";
      report.retry = false;
      Fail(nullptr, std::move(held), policy, Outcome::kLost, report, now);
      continue;
    }
    held_.push_back({std::move(held), now});
  }
  jobs.clear();
  if (closed_) GiveBackHeld();
}

void Dispatcher::Dispatch(TimePoint now) {
  // A job that no free slot serves stays where it is and those behind it are tried, so that one
  // task without a free worker holds up no other.
  std::vector<Held> left;
  while (!held_.empty() && free_ > 0) {
    Held one = std::move(held_.front());
    held_.pop_front();
    Slot* slot = PickSlot(one.job.get());
    if (slot == nullptr) {
      left.push_back(std::move(one));
    } else {
      Give(*slot, std::move(one), now);
    }
  }
  for (auto one = left.rbegin(); one != left.rend(); ++one) held_.push_front(std::move(*one));
}

Slot* Dispatcher::PickSlot(const Job& job) {
  if (has_task_limits_ && AtLimit(job.task)) return nullptr;
  for (std::list<SlotId>* tier : {&run_free_, &park_free_}) {
    for (const SlotId id : *tier) {
      Slot& slot = workers_.at(id);
      if (slot.announced->Serves(job.task)) return &slot;
    }
  }
  return nullptr;
}

bool Dispatcher::AtLimit(const std::string& task) const {
  const auto it = limits_->tasks.find(task);
  const int limit = it == limits_->tasks.end() ? 0 : it->second.limit.value_or(0);
  if (limit <= 0) return false;
  int running = 0;
  for (const auto& slot : workers_.slots()) {
    running += static_cast<int>(
        std::count_if(slot->in_flight.begin(), slot->in_flight.end(),
                      [&](const Delivery& one) { return one.job.get().task == task; }));
  }
  return running >= limit;
}

void Dispatcher::Give(Slot& slot, Held held, TimePoint now) {
  const JobPolicy policy = Resolve(held.job.get(), *limits_, slot.announced.get());
  Delivery delivery{random_.NextDeliveryId(), std::move(held.job)};
  delivery.time_limit = policy.time_limit;
  delivery.max_attempts = policy.max_attempts;
  delivery.stall = policy.stall;
  workers_.Assign(slot, std::move(delivery), now);
  ++in_flight_;
  Place& place = places_[slot.id.value];
  if (place.tier == Tier::kRun) run_free_.splice(run_free_.end(), run_free_, place.at);
  if (place.tier == Tier::kPark) park_free_.splice(park_free_.end(), park_free_, place.at);
}

void Dispatcher::GiveBackHeld() {
  for (Held& held : held_) GiveBack(std::move(held.job));
  held_.clear();
  for (auto& [due, job] : later_) GiveBack(std::move(job));
  later_.clear();
}

void Dispatcher::Close() {
  closed_ = true;
  GiveBackHeld();
}

void Dispatcher::ForgetHeld() {
  const auto forget = [this](HeldJob& job) {
    job.Release();
    ++counts_.returned;
    ++counts_.settled;
  };
  for (Held& held : held_) forget(held.job);
  held_.clear();
  for (auto& [due, job] : later_) forget(job);
  later_.clear();
}

void Dispatcher::Refresh(Slot& slot) {
  if (places_.size() <= slot.id.value) places_.resize(slot.id.value + 1);
  Place& place = places_[slot.id.value];
  if (place.tier == Tier::kNone && place.node.empty()) {
    place.node.push_back(slot.id);
    place.at = place.node.begin();
  }
  const auto flying = static_cast<std::int64_t>(slot.in_flight.size());
  const std::int64_t runs = slot.Open() ? slot.announced->concurrency : 0;
  const std::int64_t room = slot.Open() ? std::max<std::int64_t>(0, slot.Capacity() - flying) : 0;
  const Tier tier = room == 0 ? Tier::kNone : (flying < runs ? Tier::kRun : Tier::kPark);
  free_ += room - place.room;
  run_capacity_ += runs - place.runs;
  place.room = room;
  place.runs = runs;
  if (tier == place.tier) return;
  const auto list_of = [&](Tier one) -> std::list<SlotId>& {
    if (one == Tier::kRun) return run_free_;
    return one == Tier::kPark ? park_free_ : place.node;
  };
  list_of(tier).splice(list_of(tier).end(), list_of(place.tier), place.at);
  place.tier = tier;
}

void Dispatcher::MeasureRun(const Delivery& delivery, TimePoint now) {
  if (delivery.started_at == kNever) return;
  const double us = std::chrono::duration<double, std::micro>(now - delivery.started_at).count();
  mean_run_us_ = measured_ == 0 ? us : mean_run_us_ + (us - mean_run_us_) / 32;
  measured_ = std::min(measured_ + 1, kMeasuresBeforePrefetch);
}

std::int64_t Dispatcher::PrefetchRoom() const {
  if (traits_.most_held == 0) return 0;
  if (limits_->prefetch) return *limits_->prefetch;
  if (measured_ < kMeasuresBeforePrefetch || mean_run_us_ > kWorkInHandUs) return 0;
  const double jobs =
      static_cast<double>(run_capacity_) * kWorkInHandUs / std::max(mean_run_us_, 1.0);
  return static_cast<std::int64_t>(std::min(jobs, static_cast<double>(traits_.most_held)));
}

std::int64_t Dispatcher::Credit(bool growing) const {
  if (run_capacity_ == 0) return 0;
  const std::int64_t wanted = free_ + PrefetchRoom() + (growing && free_ == 0 ? 1 : 0);
  return std::max<std::int64_t>(0, wanted - static_cast<std::int64_t>(held_.size()));
}

TimePoint Dispatcher::NextDeadline() const {
  TimePoint when = later_.empty() ? kNever : later_.begin()->first;
  if (!held_.empty() && !limits_->prefetch) {
    when = std::min(when, After(held_.front().since, kLongestHold));
  }
  return when;
}

void Dispatcher::OnDeadline(TimePoint now) {
  while (!later_.empty() && later_.begin()->first <= now) {
    held_.push_back({std::move(later_.begin()->second), now});
    later_.erase(later_.begin());
  }
  while (!held_.empty() && !limits_->prefetch && After(held_.front().since, kLongestHold) <= now) {
    GiveBack(std::move(held_.front().job));
    held_.pop_front();
  }
}

void Dispatcher::UpdateSubscription(const std::vector<const Announcement*>& serving) {
  bool any = false;
  std::vector<std::string> tasks;
  for (const Announcement* one : serving) {
    if (one->any_task) {
      any = any || limits_->tasks.empty();
      for (const auto& [task, options] : limits_->tasks) tasks.push_back(task);
    }
    for (const auto& [task, options] : one->tasks) tasks.push_back(task);
  }
  if (any) tasks.clear();
  std::sort(tasks.begin(), tasks.end());
  tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
  if (has_task_limits_) {
    tasks.erase(std::remove_if(tasks.begin(), tasks.end(),
                               [this](const std::string& task) { return AtLimit(task); }),
                tasks.end());
  }
  if (any == subscribed_any_ && tasks == subscribed_) return;
  subscribed_any_ = any;
  subscribed_ = tasks;
  outbox_.actions.emplace_back(action::Subscribe{any, std::move(tasks)});
}

}  // namespace workmand
