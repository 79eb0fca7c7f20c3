// One driver instance with its link: connects, backs off, and catches whatever the driver throws,
// so that no exception leaves a queue thread and no thread dies unseen. Used by the pump and the
// producer, each on its own thread; it knows neither jobs nor mailboxes.
#pragma once

#include <exception>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "daemon/queue/pump.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/reconnect.h"

namespace workmand {

class QueueSession {
 public:
  QueueSession(std::unique_ptr<Queue> driver, const PumpOptions& options)
      : driver_(std::move(driver)),
        reconnect_(options.backoff_min, options.backoff_max),
        random_(std::random_device{}()) {}

  [[nodiscard]] Queue& driver() { return *driver_; }
  [[nodiscard]] bool up() const { return link_ == PumpState::Link::kUp; }
  [[nodiscard]] PumpState::Link link() const { return link_; }
  /// Why it is not up; empty while it is.
  [[nodiscard]] const std::string& error() const { return error_; }
  /// When to call Connect again.
  [[nodiscard]] TimePoint retry_at() const { return retry_at_; }

  /// True when the link is up now.
  bool Connect() {
    if (!Run([this] { driver_->Connect(); })) return false;
    reconnect_.Connected(Clock::now());
    link_ = PumpState::Link::kUp;
    error_.clear();
    return true;
  }

  /// Calls `work`; false when it threw: then the driver is disconnected and retry_at is set.
  template <typename Work>
  bool Run(Work&& work) noexcept {
    try {
      std::forward<Work>(work)();
      return true;
    } catch (const ConnectionLost& lost) {
      Fail(PumpState::Link::kDown, lost.what());
    } catch (const std::exception& error) {
      Fail(PumpState::Link::kDegraded, error.what());
    } catch (...) {
      Fail(PumpState::Link::kDegraded, "the driver threw something that is no exception");
    }
    return false;
  }

  void Disconnect() noexcept {
    driver_->Disconnect();
    link_ = PumpState::Link::kDown;
  }

 private:
  void Fail(PumpState::Link link, const char* why) noexcept {
    driver_->Disconnect();
    link_ = link;
    error_ = why;
    const double random = std::uniform_real_distribution<double>(0, 1)(random_);
    retry_at_ = reconnect_.Lost(Clock::now(), random);
  }

  std::unique_ptr<Queue> driver_;
  Reconnect reconnect_;
  std::minstd_rand random_;
  PumpState::Link link_ = PumpState::Link::kConnecting;
  std::string error_;
  TimePoint retry_at_;
};

}  // namespace workmand
