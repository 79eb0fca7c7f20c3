#include "daemon/queue/ledger_marks.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

namespace workmand {

struct LedgerMarks::File {
  std::array<char, 8> magic;
  std::uint64_t boot;
  std::uint64_t open;  ///< 1 while a daemon has it
  std::array<std::uint64_t, 5> unused;
  std::array<LedgerKey, kSlots> slots;
};

namespace {

constexpr std::array<char, 8> kMagic{'W', 'M', 'H', 'E', 'L', 'D', '0', '1'};
constexpr mode_t kPrivate = 0600;

tl::unexpected<Error> SystemError(const std::string& path, int error) {
  return Fail(ErrorCode::kSystem, path + ": " + std::strerror(error));
}

}  // namespace

LedgerMarks::~LedgerMarks() {
  if (memory_ != nullptr) {
    memory_->open = 0;
    ::munmap(memory_, sizeof(File));
  }
  if (fd_ >= 0) ::close(fd_);
}

Result<void> LedgerMarks::Open(const std::string& path, std::string_view boot) {
  if (fd_ >= 0) ::close(fd_);  // of a try that failed
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kPrivate);
  if (fd_ < 0) return SystemError(path, errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    return Fail(ErrorCode::kRefused, path + ": another daemon has it open");
  }
  // With its blocks, since a store into a page without one is a SIGBUS when the disk is full.
  if (const int error = ::posix_fallocate(fd_, 0, sizeof(File)); error != 0) {
    return SystemError(path, error);
  }
  void* memory = ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) return SystemError(path, errno);
  memory_ = static_cast<File*>(memory);
  LedgerHash hash;
  hash.Add(boot);
  const std::uint64_t this_boot = hash.Finish().low;
  if (memory_->magic == kMagic) {
    for (const LedgerKey& key : memory_->slots) {
      if (!key.empty()) left_.push_back(key);
    }
    machine_died_ = memory_->open != 0 && memory_->boot != this_boot;
  } else {
    std::memset(memory, 0, sizeof(File));
    memory_->magic = kMagic;
  }
  memory_->boot = this_boot;
  memory_->open = 1;
  Sync();
  return {};
}

void LedgerMarks::Forget() {
  memory_->slots.fill({});
  left_.clear();
}

std::uint32_t LedgerMarks::Set(const LedgerKey& key) {
  if (memory_ == nullptr) return kNone;
  std::uint32_t slot = kNone;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else if (unused_ < kSlots) {
    slot = unused_++;
  } else {
    return kNone;
  }
  memory_->slots[slot] = key;
  return slot;
}

void LedgerMarks::Clear(std::uint32_t slot) {
  if (slot == kNone) return;
  memory_->slots[slot] = {};
  free_.push_back(slot);
}

void LedgerMarks::Sync() {
  if (memory_ != nullptr) ::msync(memory_, sizeof(File), MS_SYNC);
}

}  // namespace workmand
