#include "daemon/supervisor_notify.h"

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/supervisor.h"

namespace workmand {
namespace {

/// What may come on top of the ladder: the queue's last settlements, and a slow machine.
constexpr Duration kReserve{12'000};
/// A stop without an end asks again and again for this much.
constexpr Duration kMore{60'000};
constexpr Duration kAskAgain{20'000};

}  // namespace

ServiceManager::ServiceManager(io::Loop& loop, const io::NotifySettings& settings)
    : loop_(loop),
      notifier_(loop, settings.socket),
      extension_(loop, [this] { AskForMore(); }),
      watchdog_(loop, settings.watchdog_ping, [this] { Ping(); }) {}

void ServiceManager::Send(std::string_view text) {
  const auto sent = notifier_.Send(text);
  if (!sent && !failed_) {
    log::Warn("service manager not told", {{"error", sent.error().message}});
  }
  failed_ = !sent;
}

void ServiceManager::Status(std::string_view line) {
  if (!notifier_.wanted() || line == status_) return;
  status_ = line;
  std::string text = "STATUS=" + status_;
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  Send(text);
}

void ServiceManager::Ready() {
  ready_ = true;
  Send("READY=1");
}

void ServiceManager::ReloadAsked() {
  if (ready_) Send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(io::MonotonicUsec()));
}

void ServiceManager::ReloadRefused() {
  if (ready_ && under_way_ == Generation{}) Send("READY=1");
}

void ServiceManager::ReloadEnded(Generation generation) {
  if (generation != under_way_) return;
  under_way_ = {};
  if (ready_) Send("READY=1");
}

void ServiceManager::Stopping(Duration ladder) {
  Send("STOPPING=1");
  if (ladder == kInfinite) {
    AskForMore();
  } else {
    Extend(ladder + kReserve);
  }
}

void ServiceManager::Extend(Duration by) {
  const std::chrono::microseconds usec = by;
  Send("EXTEND_TIMEOUT_USEC=" + std::to_string(usec.count()));
}

void ServiceManager::AskForMore() {
  Extend(kMore);
  extension_.Set(After(loop_.Now(), kAskAgain));
}

/// A manager that does not read finds the signs of life that wait for it; more would say no more.
void ServiceManager::Ping() {
  if (!notifier_.congested()) Send("WATCHDOG=1");
}

void Supervisor::TellStatus() {
  std::string line(ToString(core_->phase()));
  if (core_->phase() == DaemonPhase::kDegraded) line += " (" + degraded_because_ + ")";
  line += ", " + std::to_string(core_->pool().target()) + " workers, queue ";
  line += queue_state_.link == PumpState::Link::kUp ? "up" : "down";
  if (!queue_state_.error.empty()) line += " (" + queue_state_.error + ")";
  service_.Status(line);
}

}  // namespace workmand
