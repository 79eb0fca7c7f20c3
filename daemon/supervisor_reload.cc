// Profiles and signals: reload, stop, scale.
#include <algorithm>
#include <csignal>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/profile/diff.h"
#include "daemon/profile/ladder.h"
#include "daemon/supervisor.h"

namespace workmand {

void Supervisor::OnSignal(int signo) {
  switch (signo) {
    case SIGTERM: Stop("SIGTERM"); break;
    case SIGINT: Stop("SIGINT"); break;
    case SIGQUIT:
      stop_step_ = std::max(stop_step_, 1);
      Stop("SIGQUIT");
      break;
    case SIGHUP: (void)Reload("SIGHUP"); break;
    case SIGUSR1: log::Reopen(); break;
    case SIGUSR2: DumpState(); break;
    case SIGTTIN: Scale(core_->pool().target() + 1, "SIGTTIN"); break;
    case SIGTTOU: Scale(std::max(1, core_->pool().target() - 1), "SIGTTOU"); break;
    default: break;
  }
}

void Supervisor::Stop(std::string_view by) {
  stop_step_ = std::min(stop_step_ + 1, 3);
  log::Info("stopping", {{"by", by}, {"step", stop_step_}});
  for (const ReloadWaiter& waiter : std::exchange(reload_waiting_, {})) {
    server_->Send(waiter.connection, RenderReload({false, {}, 0, "the daemon is stopping"}));
  }
  core_->Stop(stop_step_, loop_.Now());
  if (templates_ != nullptr) templates_->Stop(stop_step_);
  if (stop_step_ > 1) return;
  TellStatus();
  const Duration graceful = profile_->graceful_shutdown_timeout;
  service_.Stopping(graceful == kInfinite ? kInfinite : graceful + profile_->abort_timeout);
}

void Supervisor::Scale(int workers, std::string_view by) {
  log::Info("scaled", {{"workers", workers}, {"by", by}});
  core_->Scale(workers, loop_.Now());
}

Result<Generation> Supervisor::Reload(std::string_view by) {
  const auto refuse = [&](std::string why) -> Result<Generation> {
    log::Err("reload refused", {{"by", by}, {"error", why}});
    if (stop_step_ == 0) service_.ReloadRefused();
    return Fail(ErrorCode::kRefused, std::move(why));
  };
  if (stop_step_ > 0) return refuse("the daemon is stopping");
  service_.ReloadAsked();
  options_.load.environment = ProcessEnvironment();
  LoadedProfile loaded = LoadProfile(options_.profile_path, options_.load);
  if (loaded.ok()) loaded.errors = CheckLadder(loaded.profile, options_.load.environment);
  if (!loaded.ok()) {
    std::string all;
    for (const ProfileError& error : loaded.errors) {
      log::Err("profile error", {{"error", error.ToString()}});
      all += all.empty() ? "" : "; ";
      all += error.ToString();
    }
    return refuse(std::move(all));
  }
  const ProfileDiff diff = Diff(*profile_, loaded.profile);
  if (!diff.needs_restart.empty()) {
    std::string keys;
    for (const std::string& key : diff.needs_restart) keys += (keys.empty() ? "" : ", ") + key;
    return refuse(keys + ": needs a restart of the daemon to change");
  }
  std::string changed;
  for (const std::string& key : diff.changed) changed += (changed.empty() ? "" : " ") + key;
  auto profile = std::make_shared<const Profile>(std::move(loaded.profile));
  const Generation next{
      std::max(profiles_.rbegin()->first.value, core_->pool().generation().value) + 1};
  profiles_[next] = profile;
  const Generation generation =
      core_->Reload(std::make_shared<const Limits>(MakeLimits(*profile)), loop_.Now());
  WORKMAND_CHECK(generation == next, "two counts of generations");
  service_.ReloadStarted(generation);
  TellStatus();
  log::Info("reload started", {{"by", by}, {"generation", generation.value}, {"changed", changed}});
  return generation;
}

void Supervisor::AdoptProfile(Generation generation) {
  profile_ = profiles_.at(generation);
  LogOptions wanted = profile_->log;
  log::Options options{options_.log_level.value_or(wanted.level),
                       options_.log_format.value_or(wanted.format), wanted.file, profile_->name};
  if (auto configured = log::Configure(options); !configured) {
    log::Err("log not changed", {{"error", configured.error().message}});
  }
  // Profiles of generations that no worker is of are not needed any more.
  for (auto it = profiles_.begin(); it != profiles_.end();) {
    const bool used = it->first >= generation ||
                      std::any_of(workers_.begin(), workers_.end(), [&](const auto& worker) {
                        return worker != nullptr && worker->profile == it->second;
                      });
    it = used ? std::next(it) : profiles_.erase(it);
  }
}

void Supervisor::FinishReload(Generation generation, bool ok, int draining,
                              const std::string& why) {
  service_.ReloadEnded(generation);  // before the client that systemd has started hears of it
  TellStatus();
  auto done = [&](const ReloadWaiter& waiter) {
    if (waiter.generation != generation) return false;
    server_->Send(waiter.connection,
                  RenderReload({ok, generation, static_cast<std::uint32_t>(draining), why}));
    return true;
  };
  reload_waiting_.erase(std::remove_if(reload_waiting_.begin(), reload_waiting_.end(), done),
                        reload_waiting_.end());
}

void Supervisor::Do(const action::PoolEvent& event) {
  using Kind = action::PoolEvent::Kind;
  ReviewTemplates();
  switch (event.kind) {
    case Kind::kServing:
      log::Info("ready", {{"workers", event.number}});
      service_.Ready();
      TellStatus();
      break;
    case Kind::kDegraded:
      log::Err("degraded", {{"why", event.why}});
      degraded_because_ = event.why;
      TellStatus();
      break;
    case Kind::kRecovered:
      log::Info("recovered");
      TellStatus();
      break;
    case Kind::kReloadCommitted:
      AdoptProfile(event.generation);
      log::Info("reload committed", {{"generation", event.generation.value}});
      break;
    case Kind::kReloadDone:
      log::Info("reload done",
                {{"generation", event.generation.value}, {"draining", event.number}});
      FinishReload(event.generation, true, event.number, "");
      break;
    case Kind::kReloadRolledBack:
      log::Err("reload rolled back",
               {{"generation", event.generation.value}, {"error", event.why}});
      FinishReload(event.generation, false, 0, "rolled back: " + event.why);
      break;
    case Kind::kReloadSuperseded:
      log::Info("reload superseded", {{"generation", event.generation.value}});
      FinishReload(event.generation, false, 0, event.why);
      break;
    case Kind::kUnkillable:
      log::Err("worker survives SIGKILL",
               {{"worker", NameOf(SlotId{static_cast<std::uint32_t>(event.number)})},
                {"why", "it hangs inside the kernel; another slot stands in for it"}});
      break;
    case Kind::kStopped: OnStopped(); break;
  }
}

}  // namespace workmand
