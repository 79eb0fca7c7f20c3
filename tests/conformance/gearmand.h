// A real gearmand for one test run: on a loopback port that the kernel chose, with its log in a
// folder of the test. It is ended by its pid, and the kernel ends it when the test dies.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace workmand {

class Gearmand {
 public:
  /// `folder` holds the log. Starts nothing yet.
  explicit Gearmand(std::string folder);
  ~Gearmand();
  Gearmand(const Gearmand&) = delete;
  Gearmand& operator=(const Gearmand&) = delete;

  [[nodiscard]] static bool Installed();
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

  std::string log_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace workmand
