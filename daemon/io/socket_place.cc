#include "daemon/io/socket_place.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace workmand::io {
namespace {

constexpr mode_t kPrivateFolder = 0700;
constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kRightsOfOthers = 0077;

tl::unexpected<Error> SystemError(const std::string& what) {
  return Fail(ErrorCode::kSystem, what + ": " + std::strerror(errno));
}

/// What the holder of the lock wrote into it.
std::string HolderOf(int lock) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(lock, text.data(), text.size(), 0);
  if (size <= 0) return "unknown";
  return {text.data(), std::strcspn(text.data(), "\n")};
}

/// A lock file may be removed by its holder between our open and our lock: then the lock is on a
/// file that nobody else can see.
bool IsStillAt(const std::string& path, int fd) {
  struct stat opened {};
  struct stat present {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &present) == 0 &&
         opened.st_dev == present.st_dev && opened.st_ino == present.st_ino;
}

Result<UniqueFd> TakeLock(const std::string& path) {
  for (;;) {
    UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kPrivateFile));
    if (!lock) return SystemError("cannot open " + path);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return SystemError("cannot lock " + path);
      return Fail(ErrorCode::kRefused, "already running (pid " + HolderOf(lock.get()) + ")");
    }
    if (!IsStillAt(path, lock.get())) continue;
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(lock.get(), 0) != 0 ||
        ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return SystemError("cannot write " + path);
    }
    return lock;
  }
}

Result<void> RemoveStaleSocket(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return SystemError("cannot look at " + path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return Fail(ErrorCode::kRefused, path + " exists and is not a socket");
  }
  if (::unlink(path.c_str()) != 0) return SystemError("cannot remove " + path);
  return {};
}

}  // namespace

Result<void> MakeFolders(const std::string& folder) {
  std::filesystem::path made;
  for (const auto& part : std::filesystem::path(folder)) {
    made /= part;
    if (::mkdir(made.c_str(), kPrivateFolder) == 0) continue;
    const int error = errno;
    struct stat found {};
    if (::stat(made.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) continue;
    return Fail(ErrorCode::kSystem, "cannot make " + made.string() + ": " + std::strerror(error));
  }
  return {};
}

Result<void> CheckPrivateFolder(const std::string& folder) {
  struct stat found {};
  if (::lstat(folder.c_str(), &found) != 0) return SystemError("cannot look at " + folder);
  if (!S_ISDIR(found.st_mode)) return Fail(ErrorCode::kRefused, folder + " is not a folder");
  if (found.st_uid != ::geteuid()) {
    return Fail(ErrorCode::kRefused,
                folder + " belongs to another user (uid " + std::to_string(found.st_uid) + ")");
  }
  if ((found.st_mode & kRightsOfOthers) != 0) {
    return Fail(ErrorCode::kRefused, folder + " is open to other users (its mode must be 0700)");
  }
  return {};
}

Result<SocketPlace> SocketPlace::Claim(const std::string& path) {
  constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path.size() > kMaxPath) {
    return Fail(ErrorCode::kInvalid, "a socket path has 1 to " + std::to_string(kMaxPath) +
                                         " bytes (" + std::to_string(path.size()) + " in '" + path +
                                         "')");
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (auto made = MakeFolders(folder.string()); !made) return tl::unexpected(made.error());
  if (folder.filename() == "workman-" + std::to_string(::geteuid())) {
    if (auto fit = CheckPrivateFolder(folder.string()); !fit) return tl::unexpected(fit.error());
  }
  const std::string lock_path = path + ".lock";
  auto lock = TakeLock(lock_path);
  if (!lock) return tl::unexpected(lock.error());
  SocketPlace place(lock_path, std::move(*lock));
  if (auto gone = RemoveStaleSocket(path); !gone) return tl::unexpected(gone.error());
  return place;
}

SocketPlace::SocketPlace(std::string lock_path, UniqueFd lock)
    : lock_path_(std::move(lock_path)), lock_(std::move(lock)) {}

/// Removed while still locked: see IsStillAt.
SocketPlace::~SocketPlace() {
  if (lock_) ::unlink(lock_path_.c_str());
}

}  // namespace workmand::io
