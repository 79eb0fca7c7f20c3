#include "daemon/io/pipes.h"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace workmand::io {
namespace {

/// A buffer that one huge message blew up is not kept for the life of the child.
constexpr std::size_t kKeptCapacity = std::size_t{1024} * 1024;

void Empty(std::string& text) {
  text.clear();
  if (text.capacity() > kKeptCapacity) text.shrink_to_fit();
}

}  // namespace

Result<Pipe> MakePipe(PipeDirection direction) {
  const bool we_write = direction == PipeDirection::kToChild;
  std::array<uv_file, 2> fds{};
  // O_NONBLOCK belongs to one end, so that ours does not reach the child.
  const int error =
      uv_pipe(fds.data(), we_write ? 0 : UV_NONBLOCK_PIPE, we_write ? UV_NONBLOCK_PIPE : 0);
  if (error != 0) {
    return Fail(ErrorCode::kSystem, std::string("cannot make a pipe: ") + uv_strerror(error));
  }
  return Pipe{UniqueFd(fds[we_write ? 1 : 0]), UniqueFd(fds[we_write ? 0 : 1])};
}

Result<void> WatchedFd::Open(Loop& loop, UniqueFd fd, void* owner) {
  UvHandle<uv_poll_t> poll;
  const int error = uv_poll_init(loop.get(), poll.get(), fd.get());
  if (error != 0) {
    return Fail(ErrorCode::kSystem, std::string("cannot watch a pipe: ") + uv_strerror(error));
  }
  poll.get()->data = owner;
  poll_ = std::move(poll);
  fd_ = std::move(fd);
  return {};
}

void WatchedFd::Watch(int events, uv_poll_cb callback) {
  if (fd_) uv_poll_start(poll_.get(), events, callback);
}

void WatchedFd::Unwatch() {
  if (fd_) uv_poll_stop(poll_.get());
}

void WatchedFd::Close() {
  poll_.Reset();
  fd_.Reset();
}

UniqueFd WatchedFd::Take() {
  poll_.Reset();
  return std::move(fd_);
}

bool IsHungUp(int fd) {
  pollfd look{fd, 0, 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

ReadOutcome ReadOnce(Loop& loop, int fd) {
  const auto buffer = loop.read_buffer();
  ssize_t size = 0;
  do {
    size = ::read(fd, buffer.data(), buffer.size());
  } while (size < 0 && errno == EINTR);
  if (size > 0) return {ReadOutcome::Kind::kBytes, static_cast<std::size_t>(size)};
  if (size < 0 && errno == EAGAIN) return {ReadOutcome::Kind::kNothing, 0};
  return {ReadOutcome::Kind::kEnd, 0};
}

Result<void> PipeWriter::Open(Loop& loop, UniqueFd fd, void* owner, uv_poll_cb on_writable) {
  on_writable_ = on_writable;
  return pipe_.Open(loop, std::move(fd), owner);
}

void PipeWriter::Flush() {
  if (!pipe_.is_open()) {
    Drop();
    return;
  }
  if (buffer_.empty()) return;
  if (!pending_.empty()) {  // it is watched already
    flush_again_ = true;
    return;
  }
  // The two strings trade places and keep their memory: a steady flow of messages allocates none.
  pending_.swap(buffer_);
  if (WritePending() != 0) pipe_.Watch(UV_WRITABLE, on_writable_);
}

int PipeWriter::Resume() {
  int error = WritePending();
  if (error == 0 && (flush_again_ || close_after_) && !buffer_.empty()) {
    flush_again_ = false;
    pending_.swap(buffer_);
    error = WritePending();
  }
  if (error == EAGAIN) return 0;
  if (error != 0) {
    Close();
    return error;
  }
  flush_again_ = false;
  pipe_.Unwatch();
  if (close_after_) Close();
  return 0;
}

void PipeWriter::CloseWhenWritten() {
  close_after_ = true;
  Flush();
  if (pending_.empty()) Close();
}

void PipeWriter::Close() {
  // The other half of a socket stays open, so that closing alone would end nothing. To a pipe this
  // does nothing.
  if (pipe_.is_open()) ::shutdown(pipe_.fd(), SHUT_WR);
  pipe_.Close();
  Drop();
}

std::uint64_t PipeWriter::bytes_queued() const {
  return written_ + dropped_ + (pending_.size() - taken_) + buffer_.size();
}

/// 0 = all written, EAGAIN = the pipe is full, else the error. One system call in the usual case:
/// a pipe that took only a part is full.
int PipeWriter::WritePending() {
  const std::size_t left = pending_.size() - taken_;
  if (left == 0) return 0;
  ssize_t size = 0;
  do {
    size = ::write(pipe_.fd(), pending_.data() + taken_, left);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno;
  written_ += static_cast<std::uint64_t>(size);
  taken_ += static_cast<std::size_t>(size);
  if (taken_ < pending_.size()) return EAGAIN;
  Empty(pending_);
  taken_ = 0;
  return 0;
}

void PipeWriter::Drop() {
  dropped_ += (pending_.size() - taken_) + buffer_.size();
  Empty(pending_);
  Empty(buffer_);
  taken_ = 0;
}

}  // namespace workmand::io
