// Our ends of a child's pipes: a watched descriptor, and the writing end with its buffer. Driven by
// Child; they call nobody back themselves, so that their owner may die in its own callback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <uv.h>

#include "daemon/base/result.h"
#include "daemon/io/loop.h"
#include "daemon/io/unique_fd.h"

namespace workmand::io {

/// Both ends of a pipe, close-on-exec. Real pipes, since /dev/stdin and /dev/stdout of a child
/// cannot be opened when they are sockets.
struct Pipe {
  UniqueFd ours;    ///< non-blocking
  UniqueFd theirs;  ///< blocking: a child is not to meet EAGAIN
};

enum class PipeDirection { kToChild, kFromChild };

[[nodiscard]] Result<Pipe> MakePipe(PipeDirection direction);

/// A non-blocking descriptor with its watcher. Closing stops the watcher first.
class WatchedFd {
 public:
  /// The callbacks of Watch find `owner` in `handle->data`, or null after Close.
  [[nodiscard]] Result<void> Open(Loop& loop, UniqueFd fd, void* owner);
  void Watch(int events, uv_poll_cb callback);
  void Unwatch();
  void Close();
  /// Gives the descriptor up, no longer watched.
  [[nodiscard]] UniqueFd Take();
  [[nodiscard]] bool is_open() const { return static_cast<bool>(fd_); }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  UvHandle<uv_poll_t> poll_;
};

/// Whether the other side of a socket is closed in both directions, not only done with sending.
[[nodiscard]] bool IsHungUp(int fd);

/// What one read brought: bytes (`size` > 0), nothing for now, or the end.
struct ReadOutcome {
  enum class Kind { kBytes, kNothing, kEnd };
  Kind kind = Kind::kNothing;
  std::size_t size = 0;
};

/// One read into the loop's shared buffer. An error counts as the end.
[[nodiscard]] ReadOutcome ReadOnce(Loop& loop, int fd);

/// The writing end: a pipe, or one half of a stream socket. What is flushed goes to the kernel at
/// once as far as it takes it; the rest waits until the pipe is writable.
class PipeWriter {
 public:
  /// `on_writable` gets `owner` in `handle->data` and calls Resume.
  [[nodiscard]] Result<void> Open(Loop& loop, UniqueFd fd, void* owner, uv_poll_cb on_writable);
  /// Bytes put in here are written by the next Flush, or dropped by it once the pipe is closed.
  [[nodiscard]] std::string& buffer() { return buffer_; }
  /// Never reports a broken pipe itself: the pipe then turns writable, and Resume says why.
  void Flush();
  /// Goes on writing. 0, or the errno of a broken pipe, which is closed by then.
  [[nodiscard]] int Resume();
  /// Closes once everything put in so far is written.
  void CloseWhenWritten();
  /// Closes now; what is not written is dropped.
  void Close();
  [[nodiscard]] std::uint64_t bytes_queued() const;
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }

 private:
  int WritePending();
  void Drop();

  WatchedFd pipe_;
  uv_poll_cb on_writable_ = nullptr;
  std::string buffer_;   ///< not flushed yet
  std::string pending_;  ///< flushed; the kernel has taken `taken_` bytes of it
  std::size_t taken_ = 0;
  bool flush_again_ = false;  ///< buffer_ was flushed while pending_ was not yet written
  bool close_after_ = false;
  std::uint64_t written_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace workmand::io
