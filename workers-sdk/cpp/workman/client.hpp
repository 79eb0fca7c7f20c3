// The producer: puts jobs on a profile's queue through the daemon's control socket.
#pragma once

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "workman/task.hpp"

namespace workman {

/// The daemon refused the request; the text is its sentence.
struct ClientError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// No daemon answers; the text names every path that was tried.
struct NoDaemon : ClientError {
  using ClientError::ClientError;
};
/// The wait ran out; the job goes on.
struct WaitTimeout : ClientError {
  using ClientError::ClientError;
};
/// The job's final outcome is a failure.
struct JobFailed : ClientError {
  JobFailed(const std::string& text, json whole) : ClientError(text), failure(std::move(whole)) {}
  json failure;  ///< the whole error object
};

/// Connects for each request, so that threads may share it. Every call may throw a ClientError.
class Client {
 public:
  /// Of a profile's name; an empty one means, in a worker, its own daemon's.
  explicit Client(std::string profile = {}) : profile_(std::move(profile)) {
    const char* own = std::getenv("WORKMAN_PROFILE");
    if (profile_.empty() && own != nullptr) profile_ = own;
    if (profile_.empty()) throw ClientError("give a profile's name or a socket");
  }
  /// Of a socket's path.
  static Client At(std::string socket) {
    Client client{std::string("behind this socket")};
    client.socket_ = std::move(socket);
    return client;
  }

  /// What a waiting caller gets: JSON, or bytes where the result is none.
  struct Result {
    json value;
    std::optional<std::string> bytes;
  };

  /// Puts a job on the queue and returns the queue's id of it.
  std::string enqueue(const std::string& task, const Value& args = {},
                      const EnqueueOptions& options = {}) const {
    return Ask(Request(task, args, options) + "}").value("id", "");
  }
  std::string enqueue_background(const std::string& task, const Value& args = {},
                                 const EnqueueOptions& options = {}) const {
    return enqueue(task, args, options);
  }
  /// Waits for the final outcome, retries included. Throws JobFailed, or WaitTimeout after
  /// `timeout` (none: no limit): the job goes on then.
  Result enqueue_with_wait(const std::string& task, const Value& args = {},
                           std::optional<Milliseconds> timeout = {},
                           const EnqueueOptions& options = {}) const {
    std::string request = Request(task, args, options) + ",\"wait\":true";
    if (timeout) detail::AppendMember(request, "timeout_ms", std::to_string(timeout->count()));
    const json reply = Ask(request + "}");
    Result result;
    if (const auto found = reply.find("result_b64"); found != reply.end()) {
      result.bytes = protocol::DecodeBase64(found->get<std::string>());
    } else {
      result.value = reply.value("result", json());
    }
    return result;
  }
  [[nodiscard]] json status() const { return Ask(R"({"verb":"status"})")["status"]; }

 private:
  static std::string Request(const std::string& task, const Value& args,
                             const EnqueueOptions& options) {
    std::string out = R"({"verb":"enqueue","task":)";
    protocol::AppendString(out, task);
    args.Append(out, "args");
    detail::AppendEnqueueOptions(out, options);
    return out;
  }

  /// A descriptor that closes itself.
  struct Connection {
    explicit Connection(int number) : fd(number) {}
    Connection(Connection&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    ~Connection() {
      if (fd >= 0) ::close(fd);
    }
    int fd;
  };

  /// One request of the control socket, one reply.
  [[nodiscard]] json Ask(const std::string& request) const {
    const Connection connection = Connect();
    const std::string line = request + "\n";
    for (std::size_t sent = 0; sent < line.size();) {
      const ssize_t got =
          ::send(connection.fd, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw ClientError(std::string("the daemon broke off: ") + std::strerror(errno));
      sent += static_cast<std::size_t>(got);
    }
    const json reply = json::parse(ReadLine(connection.fd), nullptr, false);
    if (!reply.is_object()) throw ClientError("the daemon's answer cannot be read");
    if (reply.value("ok", false)) return reply;
    const std::string sentence = reply.value("error", "refused");
    if (reply.value("timeout", false)) throw WaitTimeout(sentence);
    if (reply.contains("failure")) throw JobFailed(sentence, reply["failure"]);
    throw ClientError(sentence);
  }

  static std::string ReadLine(int fd) {
    std::string line;
    std::array<char, 4096> buffer;
    while (line.find('\n') == std::string::npos) {
      const ssize_t got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        throw ClientError(
            "the daemon has gone before it answered; nobody knows what became of the request");
      }
      line.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return line.substr(0, line.find('\n'));
  }

  [[nodiscard]] std::vector<std::string> Paths() const {
    if (!socket_.empty()) return {socket_};
    const std::string name = profile_ + ".sock";
    std::vector<std::string> paths{"/run/workman/" + name};
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime != nullptr && *runtime != 0) {
      paths.push_back(std::string(runtime) + "/workman/" + name);
    }
    paths.push_back("/tmp/workman-" + std::to_string(::getuid()) + "/" + name);
    return paths;
  }

  [[nodiscard]] Connection Connect() const {
    std::string tried;
    for (const std::string& path : Paths()) {
      Connection connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const std::string fault = Dial(connection.fd, path);
      if (fault.empty()) return connection;
      tried += "  " + path + ": " + fault + "\n";
    }
    throw NoDaemon("no running daemon of the profile " + profile_ + " found; tried:\n" + tried +
                   "The daemon must run for this. Without it, the command line puts a job on the "
                   "queue as well:\n  workman enqueue -p PROFILE.yaml TASK 'JSON'");
  }

  /// What is wrong, or nothing. A socket that somebody else could have put there gets no job.
  static std::string Dial(int fd, const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return std::strerror(errno);
    if (found.st_uid != 0 && found.st_uid != ::getuid() && ::getuid() != 0) {
      return "belongs to another user";
    }
    if ((found.st_mode & S_IWOTH) != 0) return "everybody may write to it";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return "the path is too long for a socket";
    path.copy(address.sun_path, path.size());
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return std::strerror(errno);
    }
    return {};
  }

  std::string profile_;
  std::string socket_;
};

}  // namespace workman
