#include "daemon/io/loop.h"

#include <algorithm>
#include <csignal>
#include <optional>

#include "daemon/base/check.h"

namespace workmand::io {
namespace {

/// How long ~Loop waits for killed children to be reaped. A process in an uninterruptible system
/// call outlasts it; the system reaps that one after the daemon's end.
constexpr Duration kReapWait{2000};

/// Calls the owner's callback, which may destroy its owner: then `handle->data` is null afterwards,
/// and the function object, moved to the stack, dies here.
template <typename Handle, typename... Args>
void CallOwner(Handle* handle, std::function<void(Args...)>& callback, Args... args) {
  auto running = std::exchange(callback, nullptr);
  running(args...);
  if (handle->data != nullptr) callback = std::move(running);
}

bool IsOrphan(const uv_handle_t* handle) {
  return handle->type == UV_PROCESS && handle->data == nullptr && uv_is_active(handle) != 0;
}

int CountOrphans(uv_loop_t* loop) {
  int count = 0;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* arg) {
        if (IsOrphan(handle)) ++*static_cast<int*>(arg);
      },
      &count);
  return count;
}

}  // namespace

Loop::Loop() : read_buffer_(kReadBufferBytes) {
  WORKMAND_CHECK(uv_loop_init(&loop_) == 0, "the event loop cannot be made");
  clock_ = FreezeClock(Real());
  WORKMAND_CHECK(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR, "SIGPIPE cannot be ignored");
  // libuv runs prepare callbacks after timers and closes and right before it polls, so this one
  // place ends the turn for all of them.
  uv_prepare_init(&loop_, prepare_.get());
  prepare_.get()->data = this;
  uv_prepare_start(prepare_.get(), [](uv_prepare_t* handle) noexcept {
    auto* loop = static_cast<Loop*>(handle->data);
    loop->EndTurn();
    const int timeout_ms = uv_backend_timeout(loop->get());
    loop->clock_.Sleep(loop->Real(),
                       timeout_ms < 0 ? std::nullopt : std::optional(Duration(timeout_ms)));
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(prepare_.get()));
}

Loop::~Loop() {
  prepare_.Reset();
  ReapOrphans();
  uv_run(&loop_, UV_RUN_NOWAIT);
  WORKMAND_CHECK(uv_loop_close(&loop_) == 0, "a handle outlives its loop");
}

void Loop::ReapOrphans() {
  if (CountOrphans(&loop_) == 0) return;
  {
    UvHandle<uv_timer_t> guard;
    bool expired = false;
    uv_timer_init(&loop_, guard.get());
    guard.get()->data = &expired;
    uv_update_time(&loop_);
    uv_timer_start(
        guard.get(), [](uv_timer_t* timer) noexcept { *static_cast<bool*>(timer->data) = true; },
        static_cast<std::uint64_t>(kReapWait.count()), 0);
    while (!expired && CountOrphans(&loop_) > 0) uv_run(&loop_, UV_RUN_ONCE);
  }
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (!IsOrphan(handle)) return;
        uv_close(handle, [](uv_handle_t* h) { delete reinterpret_cast<uv_process_t*>(h); });
      },
      nullptr);
}

void Loop::Run() {
  running_ = true;
  uv_run(&loop_, UV_RUN_DEFAULT);
  running_ = false;  // a Stop in the last EndTurn would end the next run before it began
  EndTurn();
}

void Loop::Stop() {
  if (running_) uv_stop(&loop_);
}

TimePoint Loop::Now() const {
  return clock_.Observe(Real());
}

TimePoint Loop::Real() const {
  return TimePoint(Duration(uv_now(&loop_)));
}

void Loop::OnTurnEnd(std::function<void()> callback) {
  turn_end_ = std::move(callback);
}

void Loop::EndTurn() {
  if (turn_end_) turn_end_();
}

Timer::Timer(Loop& loop, std::function<void()> callback)
    : loop_(loop), callback_(std::move(callback)) {
  uv_timer_init(loop.get(), handle_.get());
  handle_.get()->data = this;
}

void Timer::Set(TimePoint when) {
  if (when == kNever) {
    Stop();
    return;
  }
  when_ = when;
  // A moment that moves back costs nothing: the handle fires at the old one and goes on from there.
  if (armed_for_ > when) Start();
}

void Timer::Stop() {
  when_ = kNever;
  armed_for_ = kNever;
  uv_timer_stop(handle_.get());
}

void Timer::Start() {
  // libuv would run a timer of 0 ms, set by a timer, before it looks at I/O again.
  const Duration least{loop_.in_timer_ ? 1 : 0};
  const Duration wait = std::max(Until(loop_.Now(), when_), least);
  armed_for_ = when_;
  uv_timer_start(
      handle_.get(),
      [](uv_timer_t* handle) noexcept {
        auto* timer = static_cast<Timer*>(handle->data);
        if (timer == nullptr) return;
        timer->armed_for_ = kNever;
        if (timer->loop_.Now() < timer->when_) {  // it was moved back, or a freeze has moved it
          timer->Start();
          return;
        }
        timer->when_ = kNever;
        Loop& loop = timer->loop_;
        loop.in_timer_ = true;
        CallOwner(handle, timer->callback_);
        loop.in_timer_ = false;
      },
      static_cast<std::uint64_t>(wait.count()), 0);
}

Signals::Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> callback)
    : callback_(std::move(callback)) {
  for (const int signo : signals) {
    auto& handle = handles_.emplace_back();
    uv_signal_init(loop.get(), handle.get());
    handle.get()->data = this;
    const int error = uv_signal_start(
        handle.get(),
        [](uv_signal_t* signal, int number) noexcept {
          auto* owner = static_cast<Signals*>(signal->data);
          if (owner != nullptr) CallOwner(signal, owner->callback_, number);
        },
        signo);
    WORKMAND_CHECK(error == 0, "a signal cannot be watched");
  }
}

Signals::~Signals() = default;

Async::Async(Loop& loop, std::function<void()> callback) : callback_(std::move(callback)) {
  const int error = uv_async_init(loop.get(), handle_.get(), [](uv_async_t* handle) noexcept {
    auto* async = static_cast<Async*>(handle->data);
    if (async != nullptr) CallOwner(handle, async->callback_);
  });
  WORKMAND_CHECK(error == 0, "a wake-up between threads cannot be made");
  handle_.get()->data = this;
}

void Async::Send() {
  uv_async_send(handle_.get());
}

void BlockSignals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signo : signals) sigaddset(&set, signo);
  WORKMAND_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0, "pthread_sigmask failed");
}

}  // namespace workmand::io
