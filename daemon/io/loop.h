// The event loop and its handles. io knows bytes, pids and times; never jobs, messages or queues.
// Everything here belongs to the one loop thread, except Async::Send.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include <uv.h>

#include "daemon/base/time.h"

namespace workmand::io {

/// Owns one libuv handle. libuv keeps pointers to a handle until its close callback has run, so the
/// memory is freed there, not in the destructor: the owner may die inside its own callback. After
/// Reset no callback of the handle reaches its owner: `handle->data` is null, and a write that is
/// still pending completes with UV_ECANCELED and must look at it.
template <typename T>
class UvHandle {
 public:
  UvHandle() : handle_(new T{}) {}
  ~UvHandle() { Reset(); }
  UvHandle(const UvHandle&) = delete;
  UvHandle& operator=(const UvHandle&) = delete;
  UvHandle(UvHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  UvHandle& operator=(UvHandle&& other) noexcept {
    if (this != &other) {
      Reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  [[nodiscard]] T* get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }
  /// Closes now. Idempotent.
  void Reset() noexcept {
    if (handle_ == nullptr) return;
    auto* base = reinterpret_cast<uv_handle_t*>(std::exchange(handle_, nullptr));
    base->data = nullptr;
    if (base->type == UV_UNKNOWN_HANDLE) {  // never initialised
      delete reinterpret_cast<T*>(base);
      return;
    }
    uv_close(base, [](uv_handle_t* h) { delete reinterpret_cast<T*>(h); });
  }

 private:
  T* handle_;
};

/// The loop. Ignores SIGPIPE for the process (a write to a worker that closed stdin must be an
/// error, not a death). On destruction pending closes are run; a handle that is still open aborts:
/// every test is a leak test.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until Stop, or until no handle is active.
  void Run();
  void Stop();
  [[nodiscard]] uv_loop_t* get() { return &loop_; }
  /// The present, less all time in which this process did not run although a timer was due (it was
  /// stopped, or the machine suspended): deadlines do not expire in a freeze. Cached per loop turn.
  [[nodiscard]] TimePoint Now() const;

  /// Called once at the end of each loop turn in which anything happened.
  void OnTurnEnd(std::function<void()> callback);

 private:
  uv_loop_t loop_{};
  UvHandle<uv_prepare_t> prepare_;
  UvHandle<uv_check_t> check_;
  std::function<void()> turn_end_;
  std::chrono::nanoseconds frozen_{0};
  TimePoint slept_at_{};
  int planned_sleep_ms_ = -1;
};

/// One-shot timer for a moment of Loop::Now. kNever stops it.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  void Set(TimePoint when);
  void Stop();

 private:
  Loop& loop_;
  UvHandle<uv_timer_t> handle_;
  std::function<void()> callback_;
  TimePoint when_ = kNever;
};

/// Signals as ordinary loop callbacks.
class Signals {
 public:
  Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> callback);
  ~Signals();

 private:
  std::vector<UvHandle<uv_signal_t>> handles_;
  std::function<void(int)> callback_;
};

/// Wakes the loop from another thread; several Sends may become one call.
class Async {
 public:
  Async(Loop& loop, std::function<void()> callback);
  /// Any thread, while the object lives.
  void Send();

 private:
  UvHandle<uv_async_t> handle_;
  std::function<void()> callback_;
};

}  // namespace workmand::io
