// The place of a local socket in the file system: its folder, and the lock beside it that keeps a
// second server away. Driven by LineServer; it never opens the socket itself.
#pragma once

#include <string>

#include "daemon/base/result.h"
#include "daemon/io/unique_fd.h"

namespace workmand::io {

/// A path that is ours to bind: the folder exists, the lock PATH.lock is held, nothing is there.
class SocketPlace {
 public:
  /// kRefused "already running (pid N)" when another process holds the lock, and when the folder
  /// is not private or the path is taken by something that is no socket; kInvalid for a path that
  /// is too long.
  [[nodiscard]] static Result<SocketPlace> Claim(const std::string& path);
  /// Removes the lock file.
  ~SocketPlace();
  SocketPlace(const SocketPlace&) = delete;
  SocketPlace& operator=(const SocketPlace&) = delete;
  SocketPlace(SocketPlace&&) = default;
  SocketPlace& operator=(SocketPlace&&) = delete;

 private:
  SocketPlace(std::string lock_path, UniqueFd lock);
  std::string lock_path_;
  UniqueFd lock_;
};

/// Makes `folder` and its missing parents, mode 0700 each.
[[nodiscard]] Result<void> MakeFolders(const std::string& folder);

/// Whether only this user can put things into `folder`: a real folder, owned by the user, without
/// any right for group and others.
[[nodiscard]] Result<void> CheckPrivateFolder(const std::string& folder);

}  // namespace workmand::io
