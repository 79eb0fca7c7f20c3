// The event loop and its handles. io knows bytes, pids and times; never jobs, messages or queues.
// Everything here belongs to the one loop thread, except Async::Send.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <set>
#include <span>
#include <sys/types.h>
#include <utility>
#include <vector>

#include <uv.h>

#include "daemon/base/time.h"
#include "daemon/io/freeze.h"

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
  /// Gives the handle up unclosed, with `data` null: its own callback closes and deletes it.
  T* Release() noexcept {
    if (handle_ != nullptr) handle_->data = nullptr;
    return std::exchange(handle_, nullptr);
  }

 private:
  T* handle_;
};

/// The loop. Ignores SIGPIPE for the process (a write to a worker that closed stdin must be an
/// error, not a death). On destruction pending closes are run, and killed children whose owner is
/// gone are reaped; any other handle that is still open aborts: every test is a leak test.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until Stop, or until no handle is active.
  void Run();
  /// Run returns at the end of this turn. Without effect while the loop does not run.
  void Stop();
  [[nodiscard]] uv_loop_t* get() { return &loop_; }
  /// The present, less all time in which the loop was due to turn and did not (the process was
  /// stopped, or the machine suspended): deadlines do not expire in a freeze. Whole milliseconds,
  /// cached per loop turn, never going back.
  [[nodiscard]] TimePoint Now() const;

  /// Called once per loop turn in which the loop slept or polled, after the callbacks of that turn
  /// (timers included) and before the loop may sleep again. Also before the first sleep, and once
  /// more when Run ends.
  void OnTurnEnd(std::function<void()> callback);

  /// Children that somebody here waits for without libuv: not for OrphanReaper.
  [[nodiscard]] std::set<pid_t>& waited_for() { return waited_for_; }

  /// Scratch memory for one read (64 KiB), shared by all handles: valid until the next read.
  [[nodiscard]] std::span<char> read_buffer() { return read_buffer_; }

 private:
  friend class Timer;
  static constexpr std::size_t kReadBufferBytes = std::size_t{64} * 1024;

  [[nodiscard]] TimePoint Real() const;
  void EndTurn();
  void ReapOrphans();

  uv_loop_t loop_{};
  UvHandle<uv_prepare_t> prepare_;
  std::function<void()> turn_end_;
  std::vector<char> read_buffer_;
  std::set<pid_t> waited_for_;
  bool running_ = false;
  bool in_timer_ = false;                   ///< a timer's callback is running
  mutable FreezeClock clock_{TimePoint{}};  ///< mutable: a look at the time notices a freeze
};

/// One-shot timer for a moment of Loop::Now. kNever stops it. Timers set for the same moment fire
/// in the order in which they were set. The callback may destroy the timer.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  /// A moment that is past is due in the next loop turn: never within Set, and never in a row with
  /// the present callback of a timer, so that timers cannot keep the loop from I/O.
  void Set(TimePoint when);
  void Stop();

 private:
  void Start();

  Loop& loop_;
  UvHandle<uv_timer_t> handle_;
  std::function<void()> callback_;
  TimePoint when_ = kNever;
  TimePoint armed_for_ = kNever;  ///< when the handle fires: at `when_` or before it
};

/// Signals as ordinary loop callbacks. Keeps the loop alive. The callback may destroy the object.
class Signals {
 public:
  Signals(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> callback);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  std::vector<UvHandle<uv_signal_t>> handles_;
  std::function<void(int)> callback_;
};

/// From now on these signals do nothing to this process, whatever becomes of their handlers: for
/// the end of a daemon, when a signal that comes late must not kill it.
void BlockSignals(std::initializer_list<int> signals);

/// Wakes the loop from another thread; several Sends may become one call. It keeps the loop alive.
class Async {
 public:
  Async(Loop& loop, std::function<void()> callback);
  ~Async() = default;
  Async(const Async&) = delete;
  Async& operator=(const Async&) = delete;
  /// Any thread, while the object lives.
  void Send();

 private:
  UvHandle<uv_async_t> handle_;
  std::function<void()> callback_;
};

}  // namespace workmand::io
