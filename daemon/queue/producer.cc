#include <utility>

#include "daemon/queue/producer_thread.h"
#include "daemon/queue/pump.h"
#include "daemon/queue/queue_thread.h"

namespace workmand {
namespace {

/// Owned by the thread as well, for the case that the thread must be left behind.
struct ProducerBody {
  ProducerBody(std::unique_ptr<Queue> driver, const PumpOptions& options,
               std::function<void()> wake_loop)
      : mailbox(std::move(wake_loop)), thread(std::move(driver), options, mailbox) {}
  ProducerMailbox mailbox;
  ProducerThread thread;
};

}  // namespace

struct Producer::Impl {
  explicit Impl(std::function<void()> wake_loop) : thread(std::move(wake_loop)) {}
  QueueThread thread;
  std::shared_ptr<ProducerBody> body;
};

Producer::Producer(std::unique_ptr<Queue> driver, PumpOptions options,
                   std::function<void()> wake_loop)
    : impl_(std::make_unique<Impl>(std::move(wake_loop))) {
  impl_->body =
      std::make_shared<ProducerBody>(std::move(driver), options, impl_->thread.LoopWaker());
  impl_->thread.Start([body = impl_->body] { body->thread.Run(); });
}

Producer::~Producer() {
  (void)Stop(kInfinite);
}

void Producer::Put(std::uint64_t request, Enqueue job) {
  impl_->body->mailbox.Put(request, std::move(job));
}

void Producer::Forget(std::uint64_t request) {
  impl_->body->mailbox.Forget(request);
}

void Producer::Drain(std::vector<Done>& out) {
  impl_->body->mailbox.Drain(out);
}

bool Producer::Stop(Duration timeout) {
  impl_->body->mailbox.Stop();
  return impl_->thread.Join(timeout);
}

}  // namespace workmand
