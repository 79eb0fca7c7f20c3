#include "daemon/queue/drivers/sqlite_watch.h"

#include <array>
#include <cstddef>
#include <filesystem>
#include <sys/inotify.h>
#include <unistd.h>

namespace workmand::sqlite {

WalWatch::WalWatch(const std::string& database_path)
    : wal_path_(database_path + "-wal"), fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (fd_ < 0) return;
  WatchWal();
  const std::filesystem::path parent = std::filesystem::path(database_path).parent_path();
  const std::string folder = parent.empty() ? std::string(1, '.') : parent.string();
  inotify_add_watch(fd_, folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

WalWatch::~WalWatch() {
  if (fd_ >= 0) close(fd_);
}

void WalWatch::WatchWal() {
  // For a file that is watched already this changes nothing; a missing one shows in the folder.
  inotify_add_watch(fd_, wal_path_.c_str(), IN_MODIFY);
}

void WalWatch::Drain() {
  alignas(inotify_event) std::array<char, 4096> events;
  bool made = false;
  for (;;) {
    const ssize_t got = read(fd_, events.data(), events.size());
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
      if ((event->mask & IN_MODIFY) == 0) made = true;
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
  if (made) WatchWal();
}

}  // namespace workmand::sqlite
