#include "daemon/queue/pump.h"

#include <utility>

#include "daemon/queue/pump_mailbox.h"
#include "daemon/queue/pump_thread.h"
#include "daemon/queue/queue_thread.h"

namespace workmand {
namespace {

/// Owned by the thread as well, for the case that the thread must be left behind.
struct PumpBody {
  PumpBody(std::unique_ptr<Queue> driver, const PumpOptions& options,
           std::function<void()> wake_loop)
      : mailbox(std::move(wake_loop)), thread(std::move(driver), options, mailbox) {}
  PumpMailbox mailbox;
  PumpThread thread;
};

}  // namespace

struct Pump::Impl {
  explicit Impl(std::function<void()> wake_loop) : thread(std::move(wake_loop)) {}
  QueueThread thread;
  std::shared_ptr<PumpBody> body;
  Caps caps;
};

Pump::Pump(std::unique_ptr<Queue> driver, PumpOptions options, std::function<void()> wake_loop)
    : impl_(std::make_unique<Impl>(std::move(wake_loop))) {
  impl_->caps = driver->GetCaps();
  impl_->body = std::make_shared<PumpBody>(std::move(driver), options, impl_->thread.LoopWaker());
  impl_->thread.Start([body = impl_->body] { body->thread.Run(); });
}

Pump::~Pump() {
  (void)Stop(kInfinite);
}

Caps Pump::caps() const {
  return impl_->caps;
}

void Pump::Subscribe(std::vector<Subscription> tasks) {
  impl_->body->mailbox.Subscribe(std::move(tasks));
}

void Pump::Grant(std::uint64_t total) {
  impl_->body->mailbox.Grant(total);
}

void Pump::Post(std::vector<Update>& updates, bool urgent) {
  impl_->body->mailbox.Post(updates, urgent);
}

void Pump::Post(std::vector<Update>& updates, bool urgent, std::uint64_t total) {
  impl_->body->mailbox.Post(updates, urgent, total);
}

void Pump::Drain(PumpBatch& out) {
  impl_->body->mailbox.Drain(out);
}

void Pump::AskDepth() {
  impl_->body->mailbox.AskDepth();
}

bool Pump::Stop(Duration timeout) {
  impl_->body->mailbox.Stop();
  return impl_->thread.Join(timeout);
}

}  // namespace workmand
