// What the tests of io share: a loop with a deadline, a child that records its events, a client of
// a local socket. Tests wait for events; none sleeps.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

#include "daemon/io/child.h"
#include "daemon/io/loop.h"
#include "daemon/io/pipes.h"
#include "daemon/io/unique_fd.h"

namespace workmand::io {

/// A loop that runs until something is true.
struct TestLoop {
  Loop loop;

  /// False when the deadline came first.
  bool Wait(const std::function<bool()>& condition, Duration limit = std::chrono::seconds(20)) {
    bool expired = false;
    Timer deadline(loop, [&] {
      expired = true;
      loop.Stop();
    });
    deadline.Set(After(loop.Now(), limit));
    loop.OnTurnEnd([&] {
      if (condition()) loop.Stop();
    });
    loop.Run();
    loop.OnTurnEnd(nullptr);
    return condition() && !expired;
  }
};

inline ChildSpec SpecOf(std::vector<std::string> argv) {
  ChildSpec spec;
  spec.launcher = BINARY_DIR "/bin/workmand-launch";
  spec.argv = std::move(argv);
  spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin"};
  return spec;
}

inline ChildSpec Shell(const std::string& script) {
  return SpecOf({"sh", "-c", script});
}

/// A child and what it was seen to do.
struct Recorded {
  std::unique_ptr<Child> child;
  std::string out;
  std::string err;
  std::vector<std::string> order;  ///< "eof", "gone", "write error"
  std::optional<ExitStatus> status;
  int write_error = 0;
  int gone_count = 0;

  [[nodiscard]] bool gone() const { return status.has_value(); }

  [[nodiscard]] ChildEvents Events() {
    ChildEvents events;
    events.on_stdout = [this](std::string_view bytes) { out += bytes; };
    events.on_stderr = [this](std::string_view bytes) { err += bytes; };
    events.on_stdout_eof = [this] { order.emplace_back("eof"); };
    events.on_write_error = [this](int error) {
      write_error = error;
      order.emplace_back("write error");
    };
    events.on_gone = [this](const ExitStatus& how) {
      status = how;
      ++gone_count;
      order.emplace_back("gone");
    };
    return events;
  }

  [[nodiscard]] bool Start(Loop& loop, const ChildSpec& spec) {
    auto started = Child::Spawn(loop, spec, Events());
    if (!started) {
      err = started.error().message;
      return false;
    }
    child = std::move(*started);
    return true;
  }
};

/// A new folder of mode 0700, removed at the end.
struct TempFolder {
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "workmand-io-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string path;
};

/// The other side of a local socket, on the same loop.
class Client {
 public:
  Client(Loop& loop, const std::string& path) : loop_(loop) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ =
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    if (!connected_ || !socket_.Open(loop, std::move(fd), this)) return;
    StartReading();
  }
  void StartReading() {
    socket_.Watch(UV_READABLE, [](uv_poll_t* handle, int, int) {
      if (handle->data != nullptr) static_cast<Client*>(handle->data)->OnReadable();
    });
  }
  void StopReading() { socket_.Unwatch(); }
  [[nodiscard]] bool Say(std::string_view text) const {
    return ::send(socket_.fd(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  void EndSending() const { ::shutdown(socket_.fd(), SHUT_WR); }
  void Close() { socket_.Close(); }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] const std::string& heard() const { return heard_; }

 private:
  void OnReadable() {
    const ReadOutcome outcome = ReadOnce(loop_, socket_.fd());
    if (outcome.kind == ReadOutcome::Kind::kBytes) {
      heard_.append(loop_.read_buffer().data(), outcome.size);
    } else if (outcome.kind == ReadOutcome::Kind::kEnd) {
      ended_ = true;
      socket_.Close();
    }
  }

  Loop& loop_;
  WatchedFd socket_;
  std::string heard_;
  bool connected_ = false;
  bool ended_ = false;
};

}  // namespace workmand::io
