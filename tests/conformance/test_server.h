// A server that a test starts: on a loopback port that the kernel chose, with its files in a folder
// of the test. It is ended by its pid, and the kernel ends it when the test dies.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace workmand {

/// How a program is started, and how it shows that it is up.
struct ServerProgram {
  std::string path;
  /// `{port}`, `{folder}`, and `{port2}` and `{port3}` (free ports too) are replaced.
  std::vector<std::string> arguments;
  /// Sent to a new connection; what comes back must begin with `answer`.
  std::string question;
  std::string answer;
  /// NAME=VALUE, beside what the test itself has; replaced like the arguments.
  std::vector<std::string> environment = {};
  /// A program that must run beside it, from before its start until after its end: path, arguments.
  std::vector<std::string> companion = {};
  std::chrono::seconds patience{10};  ///< so long may the start take
};

ServerProgram GearmandProgram();
ServerProgram RedisProgram();
ServerProgram RabbitProgram();
ServerProgram BeanstalkdProgram();
ServerProgram NatsProgram();
/// tests/kafka/broker.cc, at `path`. Its port is the one that takes commands.
ServerProgram KafkaProgram(const std::string& path);

/// A port that is free now. Another program could take it before the server does; then the server
/// ends at once and Start tries the next.
std::uint16_t FreePort();

/// SIGSTOP, and waits until the last of its threads has come to rest: before that it may go on
/// answering for a moment.
void FreezeProcess(pid_t pid);

class TestServer {
 public:
  /// `folder` holds the log, and what the server writes. Starts nothing yet.
  TestServer(ServerProgram program, std::string folder);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] bool Installed() const;
  /// Starts it and waits until it answers; the port stays the same over restarts. Throws
  /// std::runtime_error with the path of the log.
  void Start();
  void Stop();
  void Freeze() const;
  void Thaw() const;
  /// What comes back first when this is sent to a new connection; empty when nothing does.
  [[nodiscard]] std::string Ask(const std::string& question) const;
  [[nodiscard]] std::string address() const;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  [[nodiscard]] pid_t Spawn(const std::vector<std::string>& command) const;
  [[nodiscard]] bool Answers() const;
  [[nodiscard]] bool HasEnded();
  [[nodiscard]] std::string Expanded(std::string text) const;

  ServerProgram program_;
  std::string folder_;
  std::string log_;
  std::uint16_t port_ = 0;
  std::array<std::uint16_t, 2> more_ports_{};
  pid_t pid_ = 0;
  pid_t companion_pid_ = 0;
};

}  // namespace workmand
