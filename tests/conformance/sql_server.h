// A real PostgreSQL or MariaDB for one test run: its data in a folder of the test, on a loopback
// port that the kernel chose. It runs as an ordinary user also when the test runs as root, since it
// refuses to be root. It is ended by its pid, and the kernel ends it when the test dies.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace workmand {

class SqlServer {
 public:
  enum class Kind { kPostgres, kMariadb };

  /// `folder` must be there; it is given to the server's user. Starts nothing yet.
  SqlServer(Kind kind, std::string folder);
  ~SqlServer();
  SqlServer(const SqlServer&) = delete;
  SqlServer& operator=(const SqlServer&) = delete;

  [[nodiscard]] static bool Installed(Kind kind);
  /// Starts it and waits until it answers; the first time it makes its data. The port stays the
  /// same over restarts. Throws std::runtime_error with the path of the log.
  void Start();
  /// Ends it as a crash would: nothing is written out.
  void Stop();
  void Freeze() const;
  void Thaw() const;
  /// Runs statements with the server's own client.
  void RunSql(const std::string& sql) const;
  /// With the scheme that the driver wants: postgresql:// or mysql://.
  [[nodiscard]] std::string url() const { return UrlAt(port_); }
  /// The same for something that listens on another port in its stead.
  [[nodiscard]] std::string UrlAt(std::uint16_t port) const;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  using Words = std::vector<std::string>;
  [[nodiscard]] Words Client(const std::string& sql) const;
  void MakeData() const;
  void Spawn();
  [[nodiscard]] pid_t Run(const Words& command) const;
  [[nodiscard]] bool Succeeds(const Words& command) const;
  [[nodiscard]] bool HasEnded();
  /// The server and its children.
  [[nodiscard]] std::vector<pid_t> Processes() const;

  Kind kind_;
  std::string folder_;
  std::string log_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace workmand
