// A server that a test starts: on a loopback port that the kernel chose, with its files in a folder
// of the test. It is ended by its pid, and the kernel ends it when the test dies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace workmand {

/// How a program is started, and how it shows that it is up.
struct ServerProgram {
  std::string path;
  /// `{port}` and `{folder}` are replaced.
  std::vector<std::string> arguments;
  /// Sent to a new connection; what comes back must begin with `answer`.
  std::string question;
  std::string answer;
};

ServerProgram GearmandProgram();
ServerProgram RedisProgram();
ServerProgram BeanstalkdProgram();
ServerProgram NatsProgram();

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
  [[nodiscard]] std::string address() const;

 private:
  void Spawn();
  [[nodiscard]] bool Answers() const;
  [[nodiscard]] bool HasEnded();
  [[nodiscard]] std::string Expanded(std::string text) const;

  ServerProgram program_;
  std::string folder_;
  std::string log_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace workmand
