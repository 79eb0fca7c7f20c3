// Tells when somebody may have written to an SQLite file: inotify on its -wal file, and on the
// folder in case that file is made anew. Our own commits show too; Database::DataVersion tells them
// apart. It never reads the database.
#pragma once

#include <string>

namespace workmand::sqlite {

class WalWatch {
 public:
  /// Where inotify cannot be had (a limit of the system) fd() is -1 and somebody must poll.
  explicit WalWatch(const std::string& database_path);
  ~WalWatch();
  WalWatch(const WalWatch&) = delete;
  WalWatch& operator=(const WalWatch&) = delete;

  /// Readable (POLLIN) when there was an event.
  [[nodiscard]] int fd() const { return fd_; }
  /// Reads the events away, and watches a new -wal file if there is one.
  void Drain();

 private:
  void WatchWal();

  std::string wal_path_;
  int fd_ = -1;
};

}  // namespace workmand::sqlite
