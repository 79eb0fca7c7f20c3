// A world for core: a clock that only tests move, workers that do what a test says, a queue that
// counts. Carries out core's actions by writing them down.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/core/core.h"

namespace workmand {

constexpr TimePoint kT0 = TimePoint{} + std::chrono::hours(1);

inline std::shared_ptr<Announcement> Announce(std::vector<std::string> tasks = {"Echo"}) {
  auto announced = std::make_shared<Announcement>();
  for (std::string& task : tasks) announced->tasks.emplace(std::move(task), TaskAnnouncement{});
  return announced;
}

struct World {
  explicit World(Limits limits, QueueTraits traits = {}, std::uint64_t seed = 1)
      : core(CoreOptions{
            std::make_shared<const Limits>(std::move(limits)), traits, seed,
            [](std::string_view code, std::string_view message, std::string_view words) {
              return std::string(code) + ": " + std::string(message) +
                     (words.empty() ? "" : " | " + std::string(words));
            }}) {
    core.Begin(now);
    Turn();
  }
  // What is thrown here is the end of the test run, and shall be.
  ~World() {  // NOLINT(bugprone-exception-escape)
    // Whatever a test left in hand is settled, so that no held job is dropped.
    core.Stop(3, now);
    for (int i = 0; i < 10; ++i) {
      Turn();
      for (const auto& slot : core.workers().slots()) {
        if (slot->Alive()) core.OnGone(slot->id, {std::nullopt, 9, "signal 9", false}, now);
      }
    }
    Turn();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Carries out what core asks for and ends the turn.
  void Turn() {
    core.EndTurn(now);
    Collect();
  }
  void Collect() {
    Outbox& outbox = core.outbox();
    for (const Action& action : outbox.actions) {
      std::visit([this](const auto& one) { Note(one); }, action);
    }
    outbox.actions.clear();
    for (Update& update : outbox.updates) updates.push_back(std::move(update));
    outbox.updates.clear();
  }
  /// Moves the clock, stopping at every deadline on the way.
  void Pass(Duration length) {
    const TimePoint end = now + length;
    while (core.NextDeadline() <= end) {
      now = std::max(now, core.NextDeadline());
      core.OnTime(now);
      Turn();
    }
    now = end;
  }
  void Ready(std::uint32_t slot, std::shared_ptr<Announcement> announced = Announce()) {
    core.OnReady(SlotId{slot}, std::move(announced), now);
    Turn();
  }
  void AllReady() {
    for (const auto& slot : core.workers().slots()) {
      if (slot->state == State::kBooting) core.OnReady(slot->id, Announce(), now);
    }
    Turn();
  }
  Token Job(std::string task = "Echo", int attempt = 1, int deliveries = 0) {
    workmand::Job job;
    job.token = Token{next_token++};
    job.id = "j" + std::to_string(job.token.value);
    job.task = std::move(task);
    job.attempt = attempt;
    job.deliveries = std::max(attempt, deliveries);
    const Token token = job.token;
    std::vector<workmand::Job> jobs;
    jobs.push_back(std::move(job));
    core.OnJobs(jobs, now);
    Turn();
    return token;
  }
  void RunJob(Duration length) {
    Job();
    now += length;
    for (const auto& slot : core.workers().slots()) {
      if (slot->state == State::kBusy) Answer(slot->id.value, Outcome::kDone);
    }
  }
  Core::OutcomeIs Answer(std::uint32_t slot, Outcome kind, std::optional<bool> flag = {}) {
    Slot& place = core.slot(SlotId{slot});
    const DeliveryId id = place.in_flight.empty() ? DeliveryId{} : place.in_flight.front().id;
    OutcomeReport report;
    report.kind = kind;
    report.bytes = "{}";
    (kind == Outcome::kAbort ? report.requeue : report.retry) = flag;
    const auto is = core.OnOutcome(SlotId{slot}, id.view(), report, now);
    Turn();
    return is;
  }
  void Gone(std::uint32_t slot, const Exit& exit = {0, std::nullopt, "exit 0", false}) {
    core.OnGone(SlotId{slot}, exit, now);
    Collect();
    Turn();
  }
  [[nodiscard]] State StateOf(std::uint32_t slot) { return core.slot(SlotId{slot}).state; }
  /// What was written down since the last call, joined by spaces.
  std::string Seen() {
    std::string all;
    for (const std::string& one : seen) all += (all.empty() ? "" : " ") + one;
    seen.clear();
    return all;
  }
  [[nodiscard]] bool Saw(const std::string& what) const {
    return std::find(seen.begin(), seen.end(), what) != seen.end();
  }

  static std::string At(SlotId slot) { return "@" + std::to_string(slot.value); }
  void Note(const action::Spawn& a) { seen.push_back("spawn" + At(a.slot)); }
  void Note(const action::SendJob& a) {
    seen.push_back("send" + At(a.slot));
    sent.push_back(a.delivery->job.get().id);
  }
  void Note(const action::SendNotice& a) {
    seen.push_back("notice:" + std::string(ToString(a.reason)) + At(a.slot));
  }
  void Note(const action::SendCancel& a) {
    seen.push_back("cancel:" + std::string(ToString(a.reason)) + At(a.slot));
  }
  void Note(const action::CloseStdin& a) { seen.push_back("eof" + At(a.slot)); }
  void Note(const action::SendSignal& a) {
    seen.push_back(std::string(ToString(a.rung)) + At(a.slot));
  }
  void Note(const action::JobEnded& a) { ended.push_back(a); }
  void Note(const action::JobSlow& a) { seen.push_back("slow" + At(a.slot)); }
  void Note(const action::WorkerEnded& a) {
    if (a.failure > 0) seen.push_back("failure:" + std::to_string(a.failure));
  }
  void Note(const action::WorkerStopping&) {}
  void Note(const action::Subscribe& a) {
    subscribed = a.any ? std::vector<std::string>{"*"} : a.tasks;
  }
  void Note(const action::PoolEvent& a) {
    using Kind = action::PoolEvent::Kind;
    static const std::map<Kind, std::string> names{{Kind::kServing, "serving"},
                                                   {Kind::kDegraded, "degraded"},
                                                   {Kind::kRecovered, "recovered"},
                                                   {Kind::kReloadCommitted, "committed"},
                                                   {Kind::kReloadDone, "reloaded"},
                                                   {Kind::kReloadRolledBack, "rolled-back"},
                                                   {Kind::kReloadSuperseded, "superseded"},
                                                   {Kind::kUnkillable, "unkillable"},
                                                   {Kind::kStopped, "stopped"}};
    seen.push_back(names.at(a.kind));
    if (a.kind == Kind::kReloadDone) draining = a.number;
  }

  TimePoint now = kT0;
  Core core;
  std::vector<std::string> seen;
  std::vector<std::string> sent;
  std::vector<Update> updates;
  std::vector<action::JobEnded> ended;
  std::vector<std::string> subscribed;
  std::uint64_t next_token = 1;
  int draining = -1;
};

/// Four workers, no jitter, no recycling: what a test does not care about is off.
inline Limits PlainLimits(int workers = 1) {
  Limits limits;
  limits.max_workers = workers;
  limits.min_workers = workers;
  limits.max_jobs = 0;
  limits.prefetch = 0;
  limits.retry.jitter = 0;
  return limits;
}

}  // namespace workmand
